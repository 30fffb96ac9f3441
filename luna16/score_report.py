"""What a scored data set comes to, as a table for people and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group
from rich.table import Table

from luna16.bootstrap import FEWEST_SCANS, Interval, Intervals, count_replicates, find_intervals
from luna16.counts import Score
from luna16.diameters import BAND_NAMES, count_bands, sensitivities_by_band
from luna16.froc import FALSE_POSITIVE_RATES
from luna16.scan_scores import ScanScores, count_scans, score_exactly

RATE_NAMES = ("1/8", "1/4", "1/2", "1", "2", "4", "8")


@dataclass(frozen=True)
class BandScore:
    """The nodules of a band of diameters, and their sensitivity at the seven rates."""

    name: str
    num_nodules: int
    sensitivities: tuple[float, ...] | None


@dataclass(frozen=True)
class ScoreReport:
    """The exact scores of some scans, what they are of, and how sure they are.

    ``intervals`` are 95 % intervals by a bootstrap of scans; there are none with too few scans.
    """

    num_scans: int
    num_nodules: int
    num_candidates: int
    score: Score
    intervals: Intervals
    bands: tuple[BandScore, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON takes it; sensitivities by the rate of false positives per scan."""
        table = asdict(self)
        table["score"]["sensitivities"] = _by_rate(self.score.sensitivities)
        table["intervals"]["sensitivities"] = _by_rate(self.intervals.sensitivities)
        for band in table["bands"]:
            band["sensitivities"] = _by_rate(band["sensitivities"])
        return table


def make_report(scans: Sequence[ScanScores], *, seed: int = 0) -> ScoreReport:
    """Score scans exactly; ``seed`` is that of the bootstrap."""
    return ScoreReport(
        num_scans=len(scans),
        num_nodules=sum(scan.marks.num_nodules for scan in scans),
        num_candidates=sum(len(scan.logits) for scan in scans),
        score=score_exactly(scans),
        intervals=find_intervals(count_replicates(scans, seed=seed), num_scans=len(scans)),
        bands=_score_bands(scans),
    )


def draw_report(report: ScoreReport) -> Group:
    """Give the report as two tables."""
    return Group(_draw_scores(report), "", _draw_bands(report.bands))


def _score_bands(scans: Sequence[ScanScores]) -> tuple[BandScore, ...]:
    bands = count_bands(scans)
    sensitivities = sensitivities_by_band(bands, count_scans(scans))
    return tuple(map(BandScore, BAND_NAMES, bands.num_nodules.tolist(), sensitivities))


def _draw_scores(report: ScoreReport) -> Table:
    table = Table(
        title=f"{report.num_candidates} candidates in {report.num_scans} scans, {report.num_nodules} nodules",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value, interval in _list_scores(report.score, report.intervals):
        table.add_row(name, _show(value), f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "")
    if report.num_scans < FEWEST_SCANS:
        table.caption = f"Fewer than {FEWEST_SCANS} scans give no interval that could be trusted."
    return table


def _draw_bands(bands: Sequence[BandScore]) -> Table:
    table = Table(title="Sensitivity at so many false positives a scan", title_justify="left")
    table.add_column("diameter")
    for name in ("nodules", *RATE_NAMES):
        table.add_column(name, justify="right")
    for band in bands:
        values = band.sensitivities or (None,) * len(RATE_NAMES)
        table.add_row(band.name, str(band.num_nodules), *map(_show, values))
    return table


def _list_scores(result: Score, intervals: Intervals) -> Iterator[tuple[str, float | None, Interval | None]]:
    yield "CPM", result.cpm, intervals.cpm
    for place, rate in enumerate(RATE_NAMES):
        yield (
            f"sensitivity at {rate} false positives a scan",
            result.sensitivities[place] if result.sensitivities else None,
            intervals.sensitivities[place] if intervals.sensitivities else None,
        )
    yield "ROC AUC", result.auc, intervals.auc
    yield "average precision", result.average_precision, intervals.average_precision
    yield "calibration error", result.calibration_error, None
    yield "loss", result.loss, None


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _by_rate(values: Sequence[Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {f"{rate:g}": value for rate, value in zip(FALSE_POSITIVE_RATES, values, strict=True)}
