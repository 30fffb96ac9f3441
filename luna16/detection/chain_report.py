"""What the detection of a whole data set comes to, as tables for people and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from luna16.counts import FloatArray
from luna16.detection.calibration import Calibration, find_calibration_error
from luna16.detection.mark_scores import DetectionScores, count_detections
from luna16.detection.marks import NOTICE
from luna16.score_report import ScoreReport, draw_report, make_report


@dataclass(frozen=True)
class DetectionReport:
    """The scores of the whole chain: ``score`` is of its own marks, ``given`` of the table's candidates.

    ``candidate_sensitivity`` is the share of nodules hit by some place that the network judged,
    ``mark_sensitivity`` of those hit by some mark left after merging. Medians are over the latter: the
    distance of the mark from the centre, and how far off its diameter is as a share of the true one.
    """

    score: ScoreReport
    given: ScoreReport | None
    candidate_sensitivity: float | None
    mark_sensitivity: float | None
    candidates_per_scan: float | None
    median_distance_mm: float | None
    median_diameter_error: float | None
    raw_calibration_error: float | None
    calibration_error: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON takes it."""
        reports = {"score": self.score.to_json(), "given": self.given.to_json() if self.given else None}
        return {"notice": NOTICE, **vars(self), **reports}


def make_detection_report(
    scans: Sequence[DetectionScores],
    *,
    given: ScoreReport | None,
    calibration: Calibration | None,
    seed: int = 0,
) -> DetectionReport:
    """Score scans; ``seed`` is that of the bootstrap."""
    counts = count_detections(scans)
    return DetectionReport(
        score=make_report([scan.scores for scan in scans], seed=seed),
        given=given,
        candidate_sensitivity=counts.candidate_sensitivity,
        mark_sensitivity=counts.mark_sensitivity,
        candidates_per_scan=counts.candidates_per_scan,
        median_distance_mm=_median(np.concatenate([scan.distances_mm for scan in scans])),
        median_diameter_error=_median(abs(np.concatenate([scan.diameter_ratios for scan in scans]) - 1)),
        raw_calibration_error=find_calibration_error(counts.marks, None),
        calibration_error=find_calibration_error(counts.marks, calibration) if calibration else None,
    )


def draw_detection_report(report: DetectionReport) -> Group:
    """Give the report as tables."""
    table = Table(title="The whole chain, from a CT to its nodules", title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in _list_measures(report):
        table.add_row(name, "-" if value is None else f"{value:.3f}")
    return Group(table, "", draw_report(report.score), NOTICE)


def _list_measures(report: DetectionReport) -> Iterator[tuple[str, float | None]]:
    yield "CPM of the chain's own marks", report.score.score.cpm
    yield "CPM on the given candidates", report.given.score.cpm if report.given else None
    yield "candidate sensitivity: nodules hit by places judged", report.candidate_sensitivity
    yield "candidates a scan", report.candidates_per_scan
    yield "sensitivity of the marks left after merging", report.mark_sensitivity
    yield "median distance from the centre, mm", report.median_distance_mm
    yield "median error of the diameter, as a share", report.median_diameter_error
    yield "calibration error of the bare score", report.raw_calibration_error
    yield "calibration error of the probability", report.calibration_error


def _median(values: FloatArray) -> float | None:
    return float(np.median(values)) if len(values) else None
