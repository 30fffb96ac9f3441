"""A run in words and key figures: pure functions of its rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fl_monitor.blocks import KeyFigure
from fl_monitor.language import gettext as _
from fl_monitor.language import ngettext
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import count_text, interval_text, number_text, signed_text
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow, RoundRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState

ROUNDS_TIMED = 5
"""The time left is estimated from so many last rounds."""
ROUNDS_OF_TREND = 60

RUN_TONES = {
    RunState.WAITING: "calm",
    RunState.RUNNING: "busy",
    RunState.PAUSED: "warn",
    RunState.FINISHED: "good",
    RunState.STOPPED: "calm",
    RunState.FAILED: "bad",
}
SITE_TONES = {
    SiteRoundState.DONE: "good",
    SiteRoundState.FAILED: "bad",
    SiteRoundState.LATE: "bad",
    SiteRoundState.STOPPED: "calm",
}


def state_words(rows: RunRows) -> str:
    """Say where a run is."""
    total = rows.run.num_rounds
    current = rows.rounds[-1].round_no if rows.rounds else 0
    if not current:
        return _first_words(rows.run.state)
    match rows.run.state:
        case RunState.WAITING:
            text = _("Waiting for sites")
        case RunState.RUNNING:
            text = _("Running round {current} of {total}")
        case RunState.PAUSED:
            text = _("Paused after round {current} of {total}")
        case RunState.FINISHED:
            text = ngettext("Finished after {current} round", "Finished after {current} rounds", current)
        case RunState.STOPPED:
            text = _("Stopped in round {current} of {total}")
        case RunState.FAILED:
            text = _("Failed in round {current} of {total}")
    return text.format(current=current, total=total)


def _first_words(state: RunState) -> str:
    """Say where a run is that has not had a round."""
    return {
        RunState.WAITING: _("Waiting for sites"),
        RunState.RUNNING: _("Starting"),
        RunState.PAUSED: _("Paused before the first round"),
        RunState.FINISHED: _("Finished without a round"),
        RunState.STOPPED: _("Stopped before the first round"),
        RunState.FAILED: _("Failed before the first round"),
    }[state]


def site_state_text(row: SiteRoundRow) -> str:
    """Say where a site is in a round, and why if it came to a bad end."""
    word = site_state_word(row.state)
    return f"{word}: {row.reason}" if row.reason else word


def site_state_word(state: SiteRoundState) -> str:
    """Return the word for where a site is in a round."""
    return {
        SiteRoundState.TRAINING: _("training"),
        SiteRoundState.TRAINED: _("trained"),
        SiteRoundState.EVALUATING: _("evaluating"),
        SiteRoundState.DONE: _("done"),
        SiteRoundState.FAILED: _("failed"),
        SiteRoundState.LATE: _("no answer"),
        SiteRoundState.STOPPED: _("stopped"),
    }[state]


def run_state_text(state: RunState) -> str:
    """Return the word for where a run is."""
    return {
        RunState.WAITING: _("waiting for sites"),
        RunState.RUNNING: _("running"),
        RunState.PAUSED: _("paused"),
        RunState.FINISHED: _("finished"),
        RunState.STOPPED: _("stopped"),
        RunState.FAILED: _("failed"),
    }[state]


def progress_of(rows: RunRows) -> float:
    """Return the share of its rounds that a run has had, 0 to 1."""
    num_ended = sum(row.ended_at is not None for row in rows.rounds)
    return min(num_ended / rows.run.num_rounds, 1.0) if rows.run.num_rounds else 0.0


def expected_end(rows: RunRows) -> tuple[datetime, datetime] | None:
    """Estimate between which times a running run will end; None before its first round has.

    The rounds to come are taken to last as long as the shortest and the longest of the last five. A round
    that has lasted longer than those already ends now at the earliest, which the browser knows.
    """
    ended = [row for row in rows.rounds if row.ended_at]
    if rows.run.state is not RunState.RUNNING or not ended:
        return None
    last = rows.rounds[-1]
    num_left = rows.run.num_rounds - last.round_no + (last.ended_at is None)
    seconds = [seconds_of(row) or 0.0 for row in ended[-ROUNDS_TIMED:]]
    beginning = last.ended_at or last.started_at
    shortest, longest = (
        beginning + timedelta(seconds=num_left * each) for each in (min(seconds), max(seconds))
    )
    return shortest, longest


def seconds_of(row: RoundRow) -> float | None:
    """Return how long a round took; None if it is not over."""
    return (row.ended_at - row.started_at).total_seconds() if row.ended_at else None


def federation_metrics(rows: RunRows, round_no: int | None) -> dict[Metric, MetricRow]:
    """Return the rows of the federation as a whole in one round."""
    return metrics_of(rows.metrics, FEDERATION, round_no)


def metrics_of(metrics: Iterable[MetricRow], site: str, round_no: int | None) -> dict[Metric, MetricRow]:
    """Return the rows of one site in one round."""
    return {row.metric: row for row in metrics if row.site == site and row.round_no == round_no}


def key_figures(rows: RunRows) -> tuple[KeyFigure, ...]:
    """Return the federation's numbers of the last finished round, with the change from the one before."""
    if not rows.rounds:
        return ()
    round_no = rows.last_finished_round
    metrics = {
        Metric.AUC: _("Pooled AUC"),
        Metric.CPM: _("CPM"),
        Metric.VALIDATION_LOSS: _("Validation loss"),
    }
    trained = federation_metrics(rows, round_no).get(Metric.TRAIN_LOSS)
    examples = count_text(trained.num_examples if trained else None)
    return (*_figures(rows, metrics), KeyFigure(_("Training examples"), examples, _of_round(round_no)))


def quality_figures(rows: RunRows) -> tuple[KeyFigure, ...]:
    """Return the federation's scores of the last finished round, with the change from the one before."""
    metrics = {
        Metric.AUC: _("Pooled AUC"),
        Metric.CPM: _("CPM"),
        Metric.AVERAGE_PRECISION: _("Average precision"),
        Metric.CALIBRATION_ERROR: _("Calibration error"),
    }
    return _figures(rows, metrics)


def _figures(rows: RunRows, metrics: Mapping[Metric, str]) -> tuple[KeyFigure, ...]:
    round_no = rows.last_finished_round
    now = federation_metrics(rows, round_no)
    before = federation_metrics(rows, round_no - 1 if round_no else None)
    of_round = _of_round(round_no)
    return tuple(_figure(rows, label, metric, now, before, of_round) for metric, label in metrics.items())


def _of_round(round_no: int | None) -> str:
    return _("round {round_no}").format(round_no=round_no) if round_no else _("no round finished yet")


_BETTER_WHEN_LOW = {Metric.VALIDATION_LOSS, Metric.CALIBRATION_ERROR}


def _figure(
    rows: RunRows,
    label: str,
    metric: Metric,
    now: Mapping[Metric, MetricRow],
    before: Mapping[Metric, MetricRow],
    of_round: str,
) -> KeyFigure:
    value = now[metric].value if metric in now else None
    earlier = before[metric].value if metric in before else None
    change = None if value is None or earlier is None else round(value - earlier, 3)
    is_better = (change or 0) < 0 if metric in _BETTER_WHEN_LOW else (change or 0) > 0
    return KeyFigure(
        label,
        number_text(value),
        ", ".join(filter(None, (of_round, _n_text(now.get(metric)), interval_text(now.get(metric))))),
        change="" if change is None else signed_text(change),
        tone="calm" if not change else "good" if is_better else "bad",
        trend=_trend_of(rows, metric),
    )


def _n_text(row: MetricRow | None) -> str:
    """Say of how many candidates or nodules a score is."""
    if row is None or row.num_examples is None:
        return ""
    text = _("{number} nodules") if row.metric is Metric.CPM else _("{number} candidates")
    return text.format(number=count_text(row.num_examples))


def _trend_of(rows: RunRows, metric: Metric) -> tuple[float | None, ...]:
    found = [row.value for row in rows.metrics if row.site == FEDERATION and row.metric is metric]
    return tuple(found[-ROUNDS_OF_TREND:])
