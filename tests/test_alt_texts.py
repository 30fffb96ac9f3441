from datetime import UTC, datetime, timedelta

from fl_monitor.alt_texts import describe_froc, describe_metric, describe_seconds
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import DASH, rate_of
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RANKS = {"a": 0}
RUN = RunRow("run-1", "Pilot", RunState.RUNNING, 4, {}, NOON)
ROUND = RoundRow("run-1", 1, NOON, NOON + timedelta(seconds=9))
TRAINED = SiteRoundRow("run-1", 1, "a", SiteRoundState.DONE, NOON, train_s=2.26)


def metric(site: str, name: Metric, value: float | None) -> MetricRow:
    return MetricRow("run-1", 1, site, name, value, 0, NOON)


def test_metric_names_the_federation_first() -> None:
    metrics = (metric("a", Metric.AUC, 0.5), metric(FEDERATION, Metric.AUC, 0.75))
    rows = RunRows(RUN, (ROUND,), (TRAINED,), metrics)
    assert describe_metric(rows, RANKS, Metric.AUC, "ROC AUC") == (
        "ROC AUC by round: Federation 0.750 in round 1; a 0.500 in round 1."
    )


def test_seconds_are_of_the_newest_round() -> None:
    rows = RunRows(RUN, (ROUND,), (TRAINED,))
    assert describe_seconds(rows, RANKS) == "Seconds per site and round: a trained 2.3 s."


def test_froc_names_rates_and_undefined_sensitivities() -> None:
    metrics = (
        metric(FEDERATION, Metric.SENSITIVITY_AT_1_8, 0.25),
        metric(FEDERATION, Metric.SENSITIVITY_AT_8, None),
    )
    assert describe_froc(RunRows(RUN, (ROUND,), metrics=metrics), 1).endswith(
        f"per scan: 0.250 at 0.125; {DASH} at 8."
    )


def test_chart_without_points_says_so() -> None:
    rows = RunRows(RUN)
    assert describe_metric(rows, RANKS, Metric.CPM, "CPM") == "CPM by round: no value yet."
    assert describe_seconds(rows, RANKS).endswith("no value yet.")
    assert describe_froc(rows, None).endswith("no value yet.")


def test_rate_is_read_from_the_metric() -> None:
    assert rate_of(Metric.SENSITIVITY_AT_1_8) == 0.125
