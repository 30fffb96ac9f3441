"""The rules of the LUNA16 challenge, on cases counted by hand."""

import numpy as np
import pytest
from monai.metrics.froc import compute_froc_curve_data, compute_froc_score

from luna16.annotations import Nodule
from luna16.froc import FALSE_POSITIVE_RATES, ScanMarks, count_marks, froc_sensitivities, keep_best_marks


def nodule_at(x_mm: float, diameter_mm: float) -> Nodule:
    return Nodule("scan", (x_mm, 0.0, 0.0), diameter_mm)


def count(
    marks: dict[float, float], nodules: list[Nodule], excluded: list[Nodule] | None = None
) -> ScanMarks:
    """Count marks given as {x in mm: score}, all at y = z = 0."""
    centers_xyz_mm = np.array([(x_mm, 0.0, 0.0) for x_mm in marks]).reshape(-1, 3)
    return count_marks(centers_xyz_mm, np.array(list(marks.values())), nodules, excluded or [])


def scan_marks(hits: list[float], false_positives: list[float], num_missed: int = 0) -> ScanMarks:
    return ScanMarks(np.array(hits), num_missed, np.array(false_positives))


def test_mark_nearer_than_the_radius_is_a_hit() -> None:
    counted = count({2.9: 0.7}, [nodule_at(0, 6)])
    assert counted.hit_scores.tolist() == [0.7]
    assert counted.num_missed == 0
    assert counted.false_positive_scores.size == 0


def test_mark_exactly_at_the_radius_is_no_hit() -> None:
    counted = count({3.0: 0.7}, [nodule_at(0, 6)])
    assert counted.num_missed == 1
    assert counted.false_positive_scores.tolist() == [0.7]


def test_of_several_marks_on_a_nodule_the_best_counts_once() -> None:
    counted = count({-1.0: 0.4, 0.0: 0.9, 1.0: 0.6}, [nodule_at(0, 6)])
    assert counted.hit_scores.tolist() == [0.9]
    assert counted.false_positive_scores.size == 0


def test_one_mark_may_hit_two_overlapping_nodules() -> None:
    counted = count({1.0: 0.8}, [nodule_at(0, 6), nodule_at(2, 6)])
    assert counted.hit_scores.tolist() == [0.8, 0.8]


def test_mark_on_an_excluded_finding_counts_neither_way() -> None:
    counted = count({50.0: 0.8, 90.0: 0.3}, [nodule_at(0, 6)], [nodule_at(51, 4)])
    assert counted.hit_scores.size == 0
    assert counted.num_missed == 1
    assert counted.false_positive_scores.tolist() == [0.3]


def test_mark_on_a_nodule_and_an_excluded_finding_is_a_hit() -> None:
    counted = count({1.0: 0.8}, [nodule_at(0, 6)], [nodule_at(1, 4)])
    assert counted.hit_scores.tolist() == [0.8]


def test_unknown_diameter_is_ten_millimetres() -> None:
    counted = count({4.9: 0.8, 55.1: 0.3}, [nodule_at(0, -1)], [nodule_at(50, -1)])
    assert counted.hit_scores.tolist() == [0.8]
    assert counted.false_positive_scores.tolist() == [0.3]


def test_only_the_hundred_best_marks_take_part() -> None:
    marks = {1000.0 + i: 0.5 + i / 1000 for i in range(100)} | {0.0: 0.1}
    counted = count(marks, [nodule_at(0, 6)])
    assert counted.num_missed == 1
    assert len(counted.false_positive_scores) == 100


def test_marks_that_tie_with_the_101st_are_dropped() -> None:
    scores = np.array([0.9] * 98 + [0.5] * 4)
    assert keep_best_marks(scores).sum() == 98
    assert keep_best_marks(scores[:100]).sum() == 100


def test_scan_without_marks_misses_its_nodules() -> None:
    counted = count({}, [nodule_at(0, 6), nodule_at(20, 6)])
    assert counted.num_missed == 2
    assert counted.false_positive_scores.size == 0


def test_curve_computed_by_hand() -> None:
    """Two scans; points (rate, sensitivity) are (0, 1/2), (1/2, 1/2), (1/2, 1), (1, 1)."""
    scans = [scan_marks([0.9], [0.8]), scan_marks([0.6], [0.5])]
    assert froc_sensitivities(scans) == (0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_sensitivity_is_interpolated_between_tied_scores() -> None:
    """One scan, two hits and two false positives of one score: a line from (0, 0) to (2, 1)."""
    scans = [scan_marks([0.5, 0.5], [0.5, 0.5])]
    assert froc_sensitivities(scans) == (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 1.0, 1.0)


def test_scan_without_nodule_still_counts_for_the_rate() -> None:
    one_scan = [scan_marks([0.3], [0.9])]
    assert froc_sensitivities(one_scan)[:4] == (0.0, 0.0, 0.0, 1.0)
    assert froc_sensitivities([*one_scan, scan_marks([], [])])[:4] == (0.0, 0.0, 1.0, 1.0)


def test_missed_nodule_bounds_the_sensitivity() -> None:
    assert froc_sensitivities([scan_marks([0.9], [], num_missed=3)]) == (0.25,) * 7


def test_no_nodule_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="got 1 scans with 0 nodules"):
        froc_sensitivities([scan_marks([], [0.4])])


def test_sensitivities_agree_with_monai() -> None:
    random = np.random.default_rng(0)
    scans = [scan_marks(random.random(3).tolist(), random.random(20).tolist(), 1) for _ in range(10)]
    rates, sensitivities = compute_froc_curve_data(
        np.concatenate([scan.false_positive_scores for scan in scans]),
        np.concatenate([scan.hit_scores for scan in scans]),
        num_targets=40,
        num_images=10,
    )
    expected = compute_froc_score(rates, sensitivities, FALSE_POSITIVE_RATES)
    assert np.mean(froc_sensitivities(scans)) == pytest.approx(expected, abs=1e-6)
