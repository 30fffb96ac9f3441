from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fl_monitor.board import summarize
from fl_monitor.snapshot import RunRows, Snapshot
from fl_store.rows import EventRow, PresenceKind, PresenceRow, RoundRow, RunRow, RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunRow("run-1", "Pilot", RunState.RUNNING, num_rounds=4, config={}, started_at=NOON)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def snapshot(run: RunRows | None, *presence: PresenceRow, now: datetime = NOON) -> Snapshot:
    return Snapshot(now, run, presence, (), 0, {})


def test_people_are_online_for_ten_seconds_after_they_were_seen() -> None:
    fresh = PresenceRow(PresenceKind.SITE, "a", "training", at(-10))
    gone = PresenceRow(PresenceKind.SITE, "b", "training", at(-11))
    server = PresenceRow(PresenceKind.SERVER, "server", "running", at(-1))
    people = summarize(snapshot(None, gone, fresh, server)).people
    assert [(person.name, person.state) for person in people] == [
        ("Coordinator", "running"),
        ("a", "training"),
        ("b", "offline"),
    ]
    assert [person.last_seen_at for person in people] == [None, None, at(-11)]


def test_silent_coordinator_is_told_while_its_run_goes_on() -> None:
    silent = PresenceRow(PresenceKind.SERVER, "server", "running", at(-60))
    assert summarize(snapshot(RunRows(RUN), silent)).silent_since == at(-60)
    over = RunRows(replace(RUN, state=RunState.FINISHED))
    assert summarize(snapshot(over, silent)).silent_since is None


def test_no_run_is_one_sentence() -> None:
    board = summarize(snapshot(None))
    assert board.headline is None
    assert board.empty_text == ("The coordinator starts one with: fl-server --config configs/demo.toml")


def test_newest_events_come_first_and_few() -> None:
    events = tuple(EventRow("round", f"event {i}", occurred_at=at(i)) for i in range(20))
    shown = summarize(replace(snapshot(None), events=events)).events
    assert [line.text for line in shown] == [f"event {i}" for i in range(19, 7, -1)]


def test_table_of_sites_names_its_round() -> None:
    assert summarize(snapshot(RunRows(RUN, (RoundRow("run-1", 2, NOON),)))).round_title == "Sites in round 2"
    assert summarize(snapshot(RunRows(RUN))).round_title == ""
