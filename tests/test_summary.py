from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.snapshot import RunRows
from fl_monitor.summary import (
    expected_end,
    key_figures,
    progress_of,
    run_state_text,
    site_state_text,
    state_words,
)
from fl_monitor.wording import DASH
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunRow("run-1", "Pilot", RunState.RUNNING, num_rounds=4, config={}, started_at=NOON)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def ended_round(round_no: int, start_s: float, end_s: float) -> RoundRow:
    return RoundRow("run-1", round_no, at(start_s), at(end_s))


def metric(round_no: int, site: str, name: Metric, value: float | None, num_examples: int = 0) -> MetricRow:
    return MetricRow("run-1", round_no, site, name, value, num_examples, NOON)


@pytest.mark.parametrize(
    ("state", "rounds", "words"),
    [
        (RunState.WAITING, (), "Waiting for sites"),
        (RunState.RUNNING, (), "Starting"),
        (RunState.RUNNING, (RoundRow("run-1", 1, NOON),), "Running round 1 of 4"),
        (RunState.FINISHED, (ended_round(1, 0, 1), ended_round(2, 1, 2)), "Finished after 2 rounds"),
        (RunState.FINISHED, (ended_round(1, 0, 1),), "Finished after 1 round"),
        (RunState.STOPPED, (RoundRow("run-1", 3, NOON),), "Stopped in round 3 of 4"),
        (RunState.STOPPED, (), "Stopped before the first round"),
        (RunState.PAUSED, (ended_round(1, 0, 1),), "Paused after round 1 of 4"),
        (RunState.PAUSED, (), "Paused before the first round"),
        (RunState.FAILED, (RoundRow("run-1", 2, NOON),), "Failed in round 2 of 4"),
        (RunState.FAILED, (), "Failed before the first round"),
    ],
)
def test_state_in_words(state: RunState, rounds: tuple[RoundRow, ...], words: str) -> None:
    assert state_words(RunRows(replace(RUN, state=state), rounds)) == words


def test_progress_is_the_share_of_finished_rounds() -> None:
    rows = RunRows(RUN, (ended_round(1, 0, 10), RoundRow("run-1", 2, at(10))))
    assert progress_of(rows) == 0.25


def test_end_is_expected_between_the_shortest_and_the_longest_round() -> None:
    rounds = (
        ended_round(1, 0, 60),
        ended_round(2, 60, 70),
        RoundRow("run-1", 3, at(70)),
    )
    assert expected_end(RunRows(RUN, rounds)) == (at(70 + 2 * 10), at(70 + 2 * 60))


def test_end_is_told_from_the_last_five_rounds() -> None:
    run = replace(RUN, num_rounds=7)
    rounds = (ended_round(1, 0, 60), *(ended_round(n, 50 + 10 * n, 60 + 10 * n) for n in range(2, 7)))
    assert expected_end(RunRows(run, rounds)) == (at(120 + 10), at(120 + 10))


def test_no_end_is_expected_before_the_first_round_is_over_or_after_the_last() -> None:
    assert expected_end(RunRows(RUN, (RoundRow("run-1", 1, NOON),))) is None
    assert expected_end(RunRows(replace(RUN, state=RunState.FINISHED), (ended_round(1, 0, 10),))) is None


def test_key_figures_are_of_the_last_finished_round() -> None:
    rounds = (ended_round(1, 0, 10), ended_round(2, 10, 20), RoundRow("run-1", 3, at(20)))
    metrics = tuple(metric(n, FEDERATION, Metric.AUC, 0.5 + n / 10, 7) for n in (1, 2, 3))
    auc = key_figures(RunRows(RUN, rounds, metrics=metrics))[0]
    assert (auc.label, auc.value, auc.of_what, auc.change) == (
        "Pooled AUC",
        "0.700",
        "round 2, 7 candidates",
        "+0.100",
    )
    assert auc.tone == "good"


def test_figure_says_how_sure_it_is_where_that_is_known() -> None:
    cpm = replace(metric(1, FEDERATION, Metric.CPM, 0.7, 12), interval_low=0.61, interval_high=0.785)
    figures = key_figures(RunRows(RUN, (ended_round(1, 0, 10),), metrics=(cpm,)))
    assert [figure.of_what for figure in figures[:2]] == [
        "round 1",
        "round 1, 12 nodules, 95 % CI 0.610 to 0.785",
    ]


def test_falling_loss_is_good_and_falling_cpm_is_bad() -> None:
    rounds = (ended_round(1, 0, 10), ended_round(2, 10, 20))
    metrics = tuple(
        metric(n, FEDERATION, name, 1 - n / 10)
        for n in (1, 2)
        for name in (Metric.CPM, Metric.VALIDATION_LOSS)
    )
    figures = {figure.label: figure for figure in key_figures(RunRows(RUN, rounds, metrics=metrics))}
    assert (figures["CPM"].change, figures["CPM"].tone) == ("\N{MINUS SIGN}0.100", "bad")
    assert figures["Validation loss"].tone == "good"


def test_undefined_figure_is_a_dash() -> None:
    metrics = (metric(1, FEDERATION, Metric.AUC, None),)
    figures = key_figures(RunRows(RUN, (ended_round(1, 0, 10),), metrics=metrics))
    assert [figure.value for figure in figures] == [DASH] * 4
    assert [figure.change for figure in figures] == [""] * 4


def test_examples_are_those_the_federation_trained_on() -> None:
    metrics = (metric(1, FEDERATION, Metric.TRAIN_LOSS, 0.3, num_examples=12345),)
    figures = key_figures(RunRows(RUN, (ended_round(1, 0, 10),), metrics=metrics))
    assert figures[3].value == "12\N{NARROW NO-BREAK SPACE}345"


def test_trend_is_every_round_so_far() -> None:
    metrics = tuple(metric(n, FEDERATION, Metric.AUC, value) for n, value in ((1, 0.5), (2, None), (3, 0.75)))
    rounds = (ended_round(1, 0, 1), ended_round(2, 1, 2), ended_round(3, 2, 3))
    assert key_figures(RunRows(RUN, rounds, metrics=metrics))[0].trend == (0.5, None, 0.75)


def test_failed_site_tells_why() -> None:
    failed = SiteRoundRow("run-1", 1, "a", SiteRoundState.FAILED, NOON, reason="out of memory")
    assert site_state_text(failed) == "failed: out of memory"


@pytest.mark.parametrize("state", SiteRoundState)
def test_every_state_of_a_site_has_a_word(state: SiteRoundState) -> None:
    assert site_state_text(SiteRoundRow("run-1", 1, "a", state, NOON)) == str(state)


@pytest.mark.parametrize("state", RunState)
def test_every_state_of_a_run_has_a_word(state: RunState) -> None:
    assert run_state_text(state) == str(state)
