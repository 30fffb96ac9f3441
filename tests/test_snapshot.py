from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import StoreError
from fl_monitor.auth import Sessions
from fl_monitor.snapshot import Poller, SnapshotReader
from fl_store.rows import (
    EventRow,
    Metric,
    MetricRow,
    PresenceKind,
    PresenceRow,
    Role,
    RunState,
    UserRow,
    utc_now,
)
from fl_store.sqlite import SqliteStore
from tests.store_contract import HASH

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
    assert len(rows.metrics) == 2 * 4 * len(Metric)


def test_reply_shows_in_the_next_snapshot(store: SqliteStore, rehearsal: Any) -> None:
    reader = SnapshotReader(store)
    rehearsal.start()
    rehearsal.begin_round(1)
    assert len(reader.read(utc_now()).run.metrics) == 0
    rehearsal.reply(1, "north")
    assert {row.site for row in reader.read(utc_now()).run.metrics} == {"north"}


def test_rounds_long_over_are_read_once(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1, utc_now() - timedelta(minutes=1))
    rehearsal.play_round(2, utc_now())
    reader = SnapshotReader(store)
    first, second = reader.read(utc_now()).run, reader.read(utc_now()).run
    shared = [a.round_no for a, b in zip(first.metrics, second.metrics, strict=True) if a is b]
    assert set(shared) == {1}
    assert first == second


def test_round_that_is_played_again_is_read_again(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    long_ago = utc_now() - timedelta(hours=1)
    rehearsal.play_round(1, long_ago)
    reader = SnapshotReader(store)
    reader.read(utc_now())
    rehearsal.play_round(1, long_ago + timedelta(minutes=5))
    store.put([MetricRow("run-1", 1, "north", Metric.AUC, 0.125, 9, utc_now())])
    assert 0.125 in {row.value for row in reader.read(utc_now()).run.metrics}


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


def test_logins_are_not_among_the_events(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    store.put([EventRow("login", "anna signed in.", user="anna"), EventRow("login_failed", "Unknown name.")])
    store.put([EventRow("site_joined", "north joined.", site="north")])
    store.put([EventRow("round", "Round 1 begins.", run_id="run-1")])
    texts = [event.text for event in SnapshotReader(store).read(utc_now()).events]
    assert texts == ["north joined.", "Round 1 begins."]


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


def test_poller_keeps_the_last_snapshot_when_the_store_is_lost(
    store: SqliteStore, rehearsal: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal.start()
    poller = Poller(store)
    try:
        before = poller.latest()
        lose(store, tmp_path)
        poller._read()
        poller._read()
        after = poller.latest()
    finally:
        poller.stop()
    assert before is not None
    assert after is not None
    assert after.run == before.run
    assert caplog.text.count("Viewers keep the last data") == 1


def test_poller_has_nothing_if_the_store_could_never_be_read(store: SqliteStore, tmp_path: Path) -> None:
    lose(store, tmp_path)
    poller = Poller(store)
    try:
        assert poller.latest() is None
    finally:
        poller.stop()


def lose(store: SqliteStore, folder: Path) -> None:
    """Put something that is no database where the store was."""
    store.close()
    for path in folder.glob("fedluna.db*"):
        path.unlink()
    (folder / "fedluna.db").write_bytes(b"not a database, and long enough to be read as one" * 100)
    with pytest.raises(StoreError):
        store.get(EventRow)


def test_poller_reads_again_by_itself(store: SqliteStore, rehearsal: Any) -> None:
    poller = Poller(store)
    try:
        first = poller.latest()
        poller._stopping.wait(1.5)
        assert poller.latest().read_at > first.read_at
    finally:
        poller.stop()
