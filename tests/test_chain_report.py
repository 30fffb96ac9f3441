"""The report of a data set tells candidates and marks apart."""

import pytest
from rich.console import Console

from luna16.annotations import Nodule
from luna16.detection.chain_report import draw_detection_report, make_detection_report
from luna16.detection.mark_scores import DetectionScores, score_detection
from luna16.detection.marks import Detection, Mark

NODULES = [Nodule("1", (0.0, 0.0, 0.0), 10.0), Nodule("1", (50.0, 0.0, 0.0), 10.0)]


@pytest.fixture(scope="module")
def scan() -> DetectionScores:
    """Both nodules have a candidate; that of the second was merged away by a mark beside it."""
    marks = (Mark((2.0, 0.0, 0.0), 8.0, 1.0, 0.5), Mark((56.0, 0.0, 0.0), 12.0, 0.0, 0.5))
    places = ((2.0, 0.0, 0.0), (52.0, 0.0, 0.0), (56.0, 0.0, 0.0))
    return score_detection("1", Detection(marks, places, (), {}), NODULES, [])


def test_candidates_and_marks_have_a_sensitivity_each(scan: DetectionScores) -> None:
    report = make_detection_report([scan], given=None, calibration=None).to_json()
    assert (report["candidate_sensitivity"], report["mark_sensitivity"]) == (1.0, 0.5)
    assert report["candidates_per_scan"] == 3
    assert report["median_distance_mm"] == 2
    assert report["median_diameter_error"] == pytest.approx(0.2)


def test_table_names_both(scan: DetectionScores) -> None:
    console = Console(width=120)
    with console.capture() as drawn:
        console.print(draw_detection_report(make_detection_report([scan], given=None, calibration=None)))
    rows = {
        row.split("│")[1].strip(): row.split("│")[2].strip() for row in drawn.get().splitlines() if "│" in row
    }
    assert rows["candidate sensitivity: nodules hit by places judged"] == "1.000"
    assert rows["sensitivity of the marks left after merging"] == "0.500"
    assert rows["CPM on the given candidates"] == "-"
