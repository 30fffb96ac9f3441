"""The rows of a round's numbers and curves, of one site or of the federation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fl_server.score_sheet import ScoreSheet
from fl_store.metrics import TEST_METRICS, Curve, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import CurveRow, MetricRow
from luna16.bootstrap import Interval
from luna16.counts import EvalCounts
from luna16.reliability import find_reliability


@dataclass(frozen=True)
class ScoreRows:
    """Makes the rows of one round."""

    run_id: str
    round_no: int

    def make_metric(
        self,
        site: str,
        metric: Metric,
        value: float | None,
        num_examples: int,
        interval: Interval | None = None,
    ) -> MetricRow:
        """Make the row of one number; one that is not finite has no value, and says what it was."""
        low, high = interval or (None, None)
        is_finite = value is None or math.isfinite(value)
        return MetricRow(
            self.run_id,
            self.round_no,
            site,
            metric,
            value if is_finite else None,
            num_examples,
            recorded_at=utc_now(),
            not_finite=None if is_finite else NotFinite(str(value)),
            interval_low=low,
            interval_high=high,
        )

    def list_scores(self, site: str, sheet: ScoreSheet) -> Iterator[MetricRow | CurveRow]:
        """Give the rows of every score, and of the curves that are defined."""
        for scored in sheet.list_metrics():
            yield self.make_metric(site, scored.metric, scored.value, scored.num_examples, scored.interval)
        if points := _draw_reliability(sheet.counts):
            yield CurveRow(self.run_id, self.round_no, site, Curve.RELIABILITY, points, utc_now())

    def list_test_scores(self, site: str, sheet: ScoreSheet) -> Iterator[MetricRow]:
        """Give the rows of the scores that are told of test scans."""
        for scored in sheet.list_metrics():
            if metric := TEST_METRICS.get(scored.metric):
                yield self.make_metric(site, metric, scored.value, scored.num_examples, scored.interval)


def _draw_reliability(counts: EvalCounts) -> dict[str, list[float] | list[int]] | None:
    curve = find_reliability(counts)
    if curve is None:
        return None
    return {
        "mean_probability": curve.mean_probability.tolist(),
        "share_positive": curve.share_positive.tolist(),
        "num_examples": curve.num_examples.tolist(),
    }
