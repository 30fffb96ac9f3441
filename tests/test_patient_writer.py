import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fl_server import patient_writer as module
from fl_server.patient_writer import PatientWriter
from fl_store.rows import EventRow
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore
from tests.store_contract import EVENT, METRIC, NOON


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setattr("fl_store.sqlite.BUSY_TIMEOUT_MS", 1)
    opened = SqliteStore(tmp_path / "fedluna.db")
    yield opened
    opened.close()


@pytest.fixture
def locker(store: SqliteStore) -> Iterator[sqlite3.Connection]:
    """Another program that can lock the database."""
    connection = sqlite3.connect(store.path, isolation_level=None)
    yield connection
    connection.close()


def test_rows_are_written_at_once(store: SqliteStore) -> None:
    PatientWriter(store).put(EVENT, METRIC)
    assert store.get(EventRow) == [EVENT]


def test_rows_of_a_locked_store_are_held_and_written_later_in_order(
    store: SqliteStore,
    locker: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="fl_server")
    monkeypatch.setattr(module, "RETRY_AFTER_S", 0.0)
    writer = PatientWriter(store)
    locker.execute("BEGIN EXCLUSIVE")
    writer.put(METRIC)
    writer.put(replace(METRIC, value=0.5))
    locker.execute("COMMIT")
    writer.put(EVENT)
    assert [row.value for row in store.get(MetricRow)] == [0.5]
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "database is locked. Rows are held in memory; training goes on.",
        "3 rows were held.",
    ]


def test_locked_store_is_not_waited_for_at_every_row(store: SqliteStore, locker: sqlite3.Connection) -> None:
    writer = PatientWriter(store)
    locker.execute("BEGIN EXCLUSIVE")
    writer.put(EVENT)
    locker.execute("COMMIT")
    writer.put(METRIC)  # within RETRY_AFTER_S
    assert store.get(MetricRow) == []
    writer.flush(0)
    assert (store.get(EventRow), store.get(MetricRow)) == ([EVENT], [METRIC])


def test_refused_row_is_lost_alone_and_told(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    writer = PatientWriter(store)
    writer.put(EVENT, replace(METRIC, recorded_at=NOON.replace(tzinfo=None)), replace(METRIC, round_no=2))
    assert store.get(EventRow) == [EVENT]
    assert [row.round_no for row in store.get(MetricRow)] == [2]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["1 row lost"]


def test_flush_gives_up_after_its_time_and_says_what_is_lost(
    store: SqliteStore, locker: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    writer = PatientWriter(store)
    locker.execute("BEGIN EXCLUSIVE")
    writer.put(EVENT)
    writer.flush(0)
    locker.execute("COMMIT")
    assert caplog.records[-1].getMessage().startswith("1 rows lost: the store could not be written")


def test_no_more_rows_are_held_than_memory_has_room_for(
    store: SqliteStore,
    locker: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS_HELD", 2)
    writer = PatientWriter(store)
    locker.execute("BEGIN EXCLUSIVE")
    writer.put(*(replace(METRIC, round_no=round_no) for round_no in range(5)))
    locker.execute("COMMIT")
    writer.flush(0)
    assert [row.round_no for row in store.get(MetricRow)] == [3, 4]
    assert "3 rows lost: too many to hold." in caplog.text
