"""Rows into words and figures for the Live page: pure functions, and what they return is what is shown.

A number that is not known is a dash. Times stay times; the browser shows them in its own zone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from fl_monitor.snapshot import ONLINE_WITHIN, RunRows, Snapshot
from fl_store.rows import (
    FEDERATION,
    EventRow,
    Metric,
    MetricRow,
    PresenceKind,
    PresenceRow,
    RoundRow,
    RunState,
    SiteRoundRow,
    SiteRoundState,
)

DASH = "–"  # noqa: RUF001 - an en dash is meant
NO_RUN = "The coordinator starts one with: fl-server --config configs/demo.toml"
NUM_EVENTS_SHOWN = 12
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


@dataclass(frozen=True)
class Person:
    """The coordinator or a site; ``last_seen_at`` is set when it is not online."""

    name: str
    is_site: bool
    is_online: bool
    state: str
    last_seen_at: datetime | None


@dataclass(frozen=True)
class EventLine:
    """Something that happened."""

    at: datetime
    site: str | None
    text: str


@dataclass(frozen=True)
class Board:
    """All words of the Live page; ``silent_since`` is set when a run goes on and nothing is heard of it."""

    headline: Headline | None
    empty_text: str
    key_figures: tuple[KeyFigure, ...]
    round_title: str
    site_lines: tuple[SiteLine, ...]
    people: tuple[Person, ...]
    num_users_online: int
    events: tuple[EventLine, ...]
    silent_since: datetime | None


def summarize(snapshot: Snapshot) -> Board:
    """Put a snapshot into words."""
    rows = snapshot.run
    people = tuple(_person(row, snapshot.read_at) for row in _in_order(snapshot.presence))
    return Board(
        headline=describe_run(rows) if rows else None,
        empty_text="" if rows else NO_RUN,
        key_figures=key_figures(rows) if rows else (),
        round_title=_round_title(rows) if rows else "",
        site_lines=site_lines(rows) if rows else (),
        people=people,
        num_users_online=snapshot.num_users_online,
        events=tuple(_event_line(event) for event in reversed(snapshot.events[-NUM_EVENTS_SHOWN:])),
        silent_since=_silent_since(rows, people),
    )


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
    earlier = before[metric].value if metric in before else None
    if value is None or earlier is None:
        return KeyFigure(label, number_text(value), of_round, change="", tone="calm")
    change = round(value - earlier, 3)
    tone = "calm" if change == 0 else "good" if (change < 0) == is_less_better else "bad"
    return KeyFigure(label, number_text(value), of_round, change=_signed(change), tone=tone)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _round_title(rows: RunRows) -> str:
    return f"Sites in round {rows.rounds[-1].round_no}" if rows.rounds else ""


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


def _in_order(presence: Sequence[PresenceRow]) -> list[PresenceRow]:
    """Put the coordinator first, then the sites by name."""
    shown = [row for row in presence if row.kind is not PresenceKind.USER]
    return sorted(shown, key=lambda row: (row.kind is PresenceKind.SITE, row.name))


def _person(row: PresenceRow, now: datetime) -> Person:
    is_online = now - row.last_seen_at <= ONLINE_WITHIN
    is_site = row.kind is PresenceKind.SITE
    return Person(
        name=row.name if is_site else "Coordinator",
        is_site=is_site,
        is_online=is_online,
        state=row.state if is_online else "offline",
        last_seen_at=None if is_online else row.last_seen_at,
    )


def _event_line(event: EventRow) -> EventLine:
    return EventLine(at=event.occurred_at, site=event.site, text=event.text)


def _silent_since(rows: RunRows | None, people: Sequence[Person]) -> datetime | None:
    """Return when the coordinator was last heard of, if its run goes on and it is not online."""
    if rows is None or rows.run.state.is_over:
        return None
    coordinator = next((person for person in people if not person.is_site), None)
    return coordinator.last_seen_at if coordinator else None


def number_text(value: float | None, *, digits: int = 3) -> str:
    """Write a number, or a dash if there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def count_text(value: int | None) -> str:
    """Write a count with thin spaces between thousands, or a dash if there is none."""
    return DASH if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
