from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fl_monitor.auth import Sessions
from fl_monitor.library import read_run
from fl_monitor.snapshot import SnapshotReader
from fl_monitor.views.live import is_online
from fl_store.base import Store
from fl_store.metrics import NOT_OF_EVERY_ROUND, Metric
from fl_store.rows import EventRow, PresenceRow, UserRow, utc_now
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore
from fl_store.words import PresenceKind, Role, RunState
from tests.store_contract import HASH

HOUR_AGO = utc_now() - timedelta(hours=1)
LONG_AGO = utc_now() - timedelta(days=2)


def test_empty_store_gives_a_snapshot_without_run(store: SqliteStore) -> None:
    snapshot = SnapshotReader(store).read(utc_now())
    assert snapshot.run is None
    assert snapshot.num_users_online == 0


def test_newest_run_is_shown_with_all_its_rounds(store: SqliteStore, rehearsal: Any) -> None:
    store.put([replace(rehearsal.run, run_id="older", started_at=utc_now() - timedelta(days=1))])
    rehearsal.start()
    for round_no in (1, 2):
        rehearsal.play_round(round_no)
    rows = SnapshotReader(store).read(utc_now()).run
    assert rows is not None
    assert rows.run.run_id == "run-1"
    assert [row.round_no for row in rows.rounds] == [1, 2]
    assert len(rows.site_rounds) == 2 * 3
    assert len(rows.metrics) == 2 * 4 * (len(Metric) - len(NOT_OF_EVERY_ROUND))


def test_reply_shows_in_the_next_snapshot(store: SqliteStore, rehearsal: Any) -> None:
    reader = SnapshotReader(store)
    rehearsal.start()
    rehearsal.begin_round(1)
    assert len(reader.read(utc_now()).run.metrics) == 0
    rehearsal.reply(1, "north")
    assert {row.site for row in reader.read(utc_now()).run.metrics} == {"north"}


def test_rows_that_come_after_the_end_of_their_round_are_shown(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.begin_round(1, HOUR_AGO)
    rehearsal.end_round(1, HOUR_AGO)
    reader = SnapshotReader(store)
    reader.read(utc_now())
    rehearsal.reply(1, "north", HOUR_AGO)
    assert "north" in {row.site for row in reader.read(utc_now()).run.metrics}


def test_late_row_of_an_old_round_shows_after_as_many_reads_as_rounds(
    store: SqliteStore, rehearsal: Any
) -> None:
    rehearsal.start()
    for round_no in range(1, 13):
        rehearsal.play_round(round_no, HOUR_AGO)
    reader = SnapshotReader(store)
    reader.read(utc_now())
    late = MetricRow("run-1", 5, "north", Metric.AUC, 0.125, 9, utc_now())
    store.put([late])
    assert late in [row for _ in range(12) for row in reader.read(utc_now()).run.metrics]


def test_read_costs_eleven_requests_however_long_the_run(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    for round_no in range(1, 31):
        rehearsal.play_round(round_no)
    counted = CountingStore(store)
    reader = SnapshotReader(counted)
    reader.read(utc_now())
    assert counted.num_gets == 8 + NUM_LOGIN_READS  # the run is new, and read as a whole
    rehearsal.begin_round(31)
    counted.num_gets = 0
    rows = reader.read(utc_now()).run
    assert counted.num_gets == 11 + NUM_LOGIN_READS
    assert rows == read_run(store, "run-1")


NUM_LOGIN_READS = 2
"""Of users and sessions, which a monitor reads from its own copy."""


class CountingStore:
    """A store that counts how often it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.num_gets = 0

    def get(self, row_type: Any, **options: Any) -> Any:
        self.num_gets += 1
        return self._store.get(row_type, **options)


def test_round_that_is_played_again_is_read_again(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    for round_no in range(1, 9):
        rehearsal.play_round(round_no, HOUR_AGO)
    reader = SnapshotReader(store)
    reader.read(utc_now())
    rehearsal.play_round(4, HOUR_AGO + timedelta(minutes=5))
    store.put([MetricRow("run-1", 4, "north", Metric.AUC, 0.125, 9, utc_now())])
    assert 0.125 in {row.value for row in reader.read(utc_now()).run.metrics}


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
def test_who_is_online_does_not_depend_on_equal_clocks(
    store: SqliteStore, rehearsal: Any, ahead: timedelta
) -> None:
    now = utc_now()
    reader = SnapshotReader(store)
    for second in range(0, 8, 2):
        rehearsal.sites = ("east", "north") if second == 0 else ("east",)
        rehearsal.beat(now + ahead + timedelta(seconds=second))
        reader.read(now + timedelta(seconds=second))

    def online(second: int) -> list[str]:
        seen = reader.read(now + timedelta(seconds=second))
        return sorted(row.name for row in seen.presence if is_online(row, seen))

    assert online(7) == ["east", "north", "server"]
    assert online(12) == ["east", "server"]
    assert online(20) == []


def test_users_are_counted_once_each_while_their_session_lives(store: SqliteStore) -> None:
    now = utc_now()
    anna, ben = (
        UserRow(name, HASH, Role.ANALYST, None, is_disabled=False, created_at=now, changed_at=now)
        for name in ("anna", "ben")
    )
    store.put([anna, ben])
    sessions = Sessions(store)
    for _ in range(2):
        sessions.start(anna, now)
    token = sessions.start(ben, now)
    reader = SnapshotReader(store)
    assert reader.read(now).num_users_online == 2
    sessions.end(token, now)
    assert reader.read(now).num_users_online == 1
    assert reader.read(now + timedelta(minutes=31)).num_users_online == 0


def test_events_of_no_run_are_not_shown(store: SqliteStore, rehearsal: Any) -> None:
    """They are logins, written by older versions."""
    rehearsal.start()
    store.put([EventRow("login", "anna signed in.", user="anna"), EventRow("login_failed", "Unknown name.")])
    store.put([EventRow("round", "Round 1 begins.", run_id="run-1")])
    texts = [event.text for event in SnapshotReader(store).read(utc_now()).events]
    assert texts == ["Round 1 begins."]


def test_sites_are_ranked_by_name(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.sites = ("west", "east")
    rehearsal.start(RunState.WAITING)
    rehearsal.beat()
    assert SnapshotReader(store).read(utc_now()).site_ranks == {"east": 0, "west": 1}


def test_site_of_earlier_runs_is_forgotten_after_a_day(store: SqliteStore, rehearsal: Any) -> None:
    old, of_run = (PresenceRow(PresenceKind.SITE, name, "-", LONG_AGO) for name in ("west", "north"))
    store.put([old, of_run])
    rehearsal.start()
    rehearsal.play_round(1)
    assert [row.name for row in SnapshotReader(store).read(utc_now()).presence] == ["north"]
