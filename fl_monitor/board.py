"""A snapshot as the words of the Live page; what is returned is what is shown.

Times stay times; the browser shows them in its own zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fl_monitor.snapshot import ONLINE_WITHIN, RunRows, Snapshot
from fl_monitor.summary import Headline, KeyFigure, SiteLine, describe_run, key_figures, site_lines
from fl_store.rows import EventRow, PresenceKind, PresenceRow

NO_RUN = "The coordinator starts one with: fl-server --config configs/demo.toml"
NUM_EVENTS_SHOWN = 12


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
    people = tuple(_person(row, snapshot.coordinator_time) for row in _in_order(snapshot.presence))
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


def _round_title(rows: RunRows) -> str:
    return f"Sites in round {rows.rounds[-1].round_no}" if rows.rounds else ""


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
