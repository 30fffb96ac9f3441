"""A run in words and key figures: pure functions of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from fl_monitor.snapshot import RunRows
from fl_monitor.wording import count_text, number_text
from fl_store.rows import (
    FEDERATION,
    Metric,
    MetricRow,
    RoundRow,
    RunState,
    SiteRoundRow,
    SiteRoundState,
)

ROUNDS_TIMED = 5
"""The time left is estimated from the median of so many last rounds."""


@dataclass(frozen=True)
class Headline:
    """The state of the newest run; ``tone`` is good, bad, busy or calm."""

    run_name: str
    run_id: str
    words: str
    tone: str
    reason: str | None
    progress: float
    started_at: datetime
    ended_at: datetime | None
    expected_end_at: datetime | None


@dataclass(frozen=True)
class KeyFigure:
    """One number of the last finished round."""

    label: str
    value: str
    of_round: str
    change: str
    tone: str


@dataclass(frozen=True)
class SiteLine:
    """One site in the current round."""

    site: str
    state: str
    tone: str
    seconds: str
    examples: str
    auc: str
    cpm: str


def describe_run(rows: RunRows) -> Headline:
    """Say where a run is and when it will probably end."""
    run = rows.run
    num_ended = sum(row.ended_at is not None for row in rows.rounds)
    return Headline(
        run_name=run.name,
        run_id=run.run_id,
        words=_state_words(rows),
        tone=_RUN_TONES[run.state],
        reason=run.reason,
        progress=min(num_ended / run.num_rounds, 1.0) if run.num_rounds else 0.0,
        started_at=run.started_at,
        ended_at=run.ended_at,
        expected_end_at=expected_end(rows),
    )


_RUN_TONES = {
    RunState.WAITING: "calm",
    RunState.RUNNING: "busy",
    RunState.PAUSED: "calm",
    RunState.FINISHED: "good",
    RunState.STOPPED: "calm",
    RunState.FAILED: "bad",
}


def _state_words(rows: RunRows) -> str:
    total = rows.run.num_rounds
    current = rows.rounds[-1].round_no if rows.rounds else 0
    match rows.run.state:
        case RunState.WAITING:
            return "Waiting for sites"
        case RunState.RUNNING:
            return f"Running round {current} of {total}" if current else "Starting"
        case RunState.PAUSED:
            return f"Paused after round {current} of {total}" if current else "Paused before the first round"
        case RunState.FINISHED:
            return f"Finished after {_count(current, 'round')}"
        case RunState.STOPPED:
            return f"Stopped in round {current} of {total}" if current else "Stopped before the first round"
        case RunState.FAILED:
            return f"Failed in round {current} of {total}" if current else "Failed before the first round"


def expected_end(rows: RunRows) -> datetime | None:
    """Estimate when a running run will end; None before its first round has."""
    ended = [row for row in rows.rounds if row.ended_at]
    if rows.run.state is not RunState.RUNNING or not ended:
        return None
    last = rows.rounds[-1]
    num_left = rows.run.num_rounds - last.round_no + (last.ended_at is None)
    typical = median((_end_of(row) - row.started_at).total_seconds() for row in ended[-ROUNDS_TIMED:])
    beginning = last.ended_at or last.started_at
    return datetime.fromtimestamp(beginning.timestamp() + num_left * typical, tz=beginning.tzinfo)


def _end_of(row: RoundRow) -> datetime:
    return row.ended_at or row.started_at


def last_finished_round(rows: RunRows) -> int | None:
    """Return the number of the newest round that is over."""
    return max((row.round_no for row in rows.rounds if row.ended_at), default=None)


def key_figures(rows: RunRows) -> tuple[KeyFigure, ...]:
    """Return the federation's numbers of the last finished round, with the change from the one before."""
    if not rows.rounds:
        return ()
    round_no = last_finished_round(rows)
    now = federation_metrics(rows, round_no)
    before = federation_metrics(rows, round_no - 1 if round_no else None)
    of_round = f"round {round_no}" if round_no else "no round finished yet"
    figures = [
        _figure(label, metric, now, before, of_round, is_less_better=metric is Metric.VALIDATION_LOSS)
        for metric, label in _KEY_METRICS.items()
    ]
    trained = now.get(Metric.TRAIN_LOSS)
    examples = count_text(trained.num_examples if trained else None)
    return (*figures, KeyFigure("Training examples", examples, of_round, change="", tone="calm"))


_KEY_METRICS = {
    Metric.AUC: "Pooled AUC",
    Metric.CPM: "CPM",
    Metric.VALIDATION_LOSS: "Validation loss",
}


def federation_metrics(rows: RunRows, round_no: int | None) -> dict[Metric, MetricRow]:
    """Return the rows of the federation as a whole in one round."""
    return {row.metric: row for row in rows.metrics if row.site == FEDERATION and row.round_no == round_no}


def _figure(
    label: str,
    metric: Metric,
    now: Mapping[Metric, MetricRow],
    before: Mapping[Metric, MetricRow],
    of_round: str,
    *,
    is_less_better: bool,
) -> KeyFigure:
    value = now[metric].value if metric in now else None
    of_round += _interval_text(now.get(metric))
    earlier = before[metric].value if metric in before else None
    if value is None or earlier is None:
        return KeyFigure(label, number_text(value), of_round, change="", tone="calm")
    change = round(value - earlier, 3)
    tone = "calm" if change == 0 else "good" if (change < 0) == is_less_better else "bad"
    return KeyFigure(label, number_text(value), of_round, change=_signed(change), tone=tone)


def _interval_text(row: MetricRow | None) -> str:
    """Say how sure a number is, if that is known; it is of the last round alone."""
    if row is None or row.interval_low is None or row.interval_high is None:
        return ""
    return f", 95 % interval {row.interval_low:.3f} to {row.interval_high:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def site_lines(rows: RunRows) -> tuple[SiteLine, ...]:
    """Return what each site did in the newest round, by name."""
    if not rows.rounds:
        return ()
    current = rows.rounds[-1].round_no
    values = {(row.site, row.metric): row.value for row in rows.metrics if row.round_no == current}
    lines = [_site_line(row, values) for row in rows.site_rounds if row.round_no == current]
    return tuple(sorted(lines, key=lambda line: line.site))


def _site_line(row: SiteRoundRow, values: Mapping[tuple[str, Metric], float | None]) -> SiteLine:
    busy_s = [seconds for seconds in (row.train_s, row.evaluate_s) if seconds is not None]
    return SiteLine(
        site=row.site,
        state=f"{row.state}: {row.reason}" if row.reason else str(row.state),
        tone=_SITE_TONES.get(row.state, "busy"),
        seconds=number_text(sum(busy_s) if busy_s else None, digits=1),
        examples=count_text(row.num_examples),
        auc=number_text(values.get((row.site, Metric.AUC))),
        cpm=number_text(values.get((row.site, Metric.CPM))),
    )


_SITE_TONES = {
    SiteRoundState.DONE: "good",
    SiteRoundState.FAILED: "bad",
    SiteRoundState.LATE: "bad",
}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
