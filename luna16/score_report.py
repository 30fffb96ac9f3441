"""What a scored data set comes to, as a table for people and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from luna16.counts import Score
from luna16.froc import FALSE_POSITIVE_RATES
from luna16.scan_scores import ScanScores, score_exactly

RATE_NAMES = ("1/8", "1/4", "1/2", "1", "2", "4", "8")


@dataclass(frozen=True)
class ScoreReport:
    """The exact scores of some scans, and what they are of."""

    num_scans: int
    num_nodules: int
    num_candidates: int
    score: Score

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON takes it; sensitivities by the rate of false positives per scan."""
        table = asdict(self)
        table["score"]["sensitivities"] = _by_rate(self.score)
        return table


def make_report(scans: Sequence[ScanScores]) -> ScoreReport:
    """Score scans exactly."""
    return ScoreReport(
        num_scans=len(scans),
        num_nodules=sum(scan.marks.num_nodules for scan in scans),
        num_candidates=sum(len(scan.logits) for scan in scans),
        score=score_exactly(scans),
    )


def draw_report(report: ScoreReport) -> Table:
    """Give the report as a table."""
    table = Table(
        title=f"{report.num_candidates} candidates in {report.num_scans} scans, {report.num_nodules} nodules",
        title_justify="left",
    )
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in _list_scores(report.score):
        table.add_row(name, "-" if value is None else f"{value:.4f}")
    return table


def _list_scores(result: Score) -> list[tuple[str, float | None]]:
    sensitivities = result.sensitivities or (None,) * len(RATE_NAMES)
    return [
        ("CPM", result.cpm),
        *(
            (f"sensitivity at {rate} false positives a scan", value)
            for rate, value in zip(RATE_NAMES, sensitivities, strict=True)
        ),
        ("ROC AUC", result.auc),
        ("average precision", result.average_precision),
        ("calibration error", result.calibration_error),
        ("loss", result.loss),
    ]


def _by_rate(result: Score) -> dict[str, float] | None:
    if result.sensitivities is None:
        return None
    return {
        f"{rate:g}": value for rate, value in zip(FALSE_POSITIVE_RATES, result.sensitivities, strict=True)
    }
