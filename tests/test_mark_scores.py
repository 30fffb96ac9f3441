"""The marks of a scan are compared with its annotations by the rules of the challenge."""

import numpy as np
import pytest

from luna16.annotations import Nodule
from luna16.detection.mark_scores import count_detections, score_detection
from luna16.detection.marks import Detection, Mark, merge_marks

NODULES = [
    Nodule("1", (0.0, 0.0, 0.0), 10.0),
    Nodule("1", (50.0, 0.0, 0.0), -1.0),
    Nodule("1", (0.0, 90.0, 0.0), 8.0),
]
EXCLUDED = [Nodule("1", (0.0, 0.0, 70.0), 6.0)]


def mark(x_mm: float, y_mm: float, z_mm: float, *, logit: float, diameter_mm: float = 8.0) -> Mark:
    return Mark((x_mm, y_mm, z_mm), diameter_mm, logit, 0.5)


def detect(*marks: Mark) -> Detection:
    return Detection(marks, tuple(each.center_xyz_mm for each in marks), (), {})


def test_hits_misses_and_false_positives_are_counted() -> None:
    found = detect(
        mark(3, 0, 0, logit=2.0),
        mark(0, 1, 0, logit=1.0),
        mark(50, 4, 0, logit=0.0),
        mark(0, 0, 70, logit=3.0),
        mark(0, 20, 0, logit=-1.0),
    )
    scan = score_detection("1", found, NODULES, EXCLUDED)
    assert scan.num_nodules_proposed == 2
    assert scan.scores.is_nodule.tolist() == [True, True, True, False, False]
    assert sorted(scan.scores.marks.hit_scores.tolist()) == [0.0, 2.0]
    assert scan.scores.marks.false_positive_scores.tolist() == [-1.0]


def test_nodule_whose_candidate_was_merged_away_is_proposed_but_not_hit() -> None:
    candidates = (mark(3, 0, 0, logit=0.0), mark(6, 0, 0, logit=1.0))
    found = Detection(merge_marks(candidates), tuple(each.center_xyz_mm for each in candidates), (), {})
    counts = count_detections([score_detection("1", found, NODULES, [])])
    assert (counts.num_candidates, counts.candidate_sensitivity) == (2, 1 / 3)
    assert counts.mark_sensitivity == 0


def test_without_a_nodule_no_sensitivity_is_told() -> None:
    counts = count_detections([score_detection("1", detect(mark(0, 0, 0, logit=1.0)), [], [])])
    assert (counts.candidate_sensitivity, counts.mark_sensitivity) == (None, None)


def test_the_likeliest_mark_of_a_nodule_is_measured() -> None:
    scan = score_detection("1", detect(mark(3, 0, 0, logit=2.0), mark(0, 0, 0, logit=1.0)), NODULES, [])
    assert scan.distances_mm.tolist() == [3.0]
    assert scan.diameter_ratios.tolist() == [0.8]


def test_nodule_without_a_known_diameter_has_no_ratio() -> None:
    scan = score_detection("1", detect(mark(50, 0, 0, logit=1.0)), NODULES, [])
    assert (len(scan.distances_mm), len(scan.diameter_ratios)) == (1, 0)


def test_counts_add_up_over_sites() -> None:
    first = count_detections([score_detection("1", detect(mark(0, 0, 0, logit=1.0)), NODULES, [])])
    second = count_detections([score_detection("2", detect(), [], [])])
    both = first + second
    assert (both.marks.num_scans, both.marks.num_nodules) == (2, 3)
    assert (both.num_candidates, both.num_nodules_proposed) == (1, 1)
    assert (both.candidate_sensitivity, both.mark_sensitivity, both.candidates_per_scan) == (
        1 / 3,
        1 / 3,
        0.5,
    )
    assert np.array_equal(both.marks.nodules_hit, first.marks.nodules_hit)


@pytest.mark.parametrize(("distance_mm", "num_left"), [(3.0, 1), (5.0, 2)])
def test_mark_in_the_nodule_of_a_likelier_one_is_left_out(distance_mm: float, num_left: int) -> None:
    marks = [mark(0, 0, 0, logit=0.0), mark(distance_mm, 0, 0, logit=1.0)]
    merged = merge_marks(marks)
    assert len(merged) == num_left
    assert merged[0].logit == 1.0
