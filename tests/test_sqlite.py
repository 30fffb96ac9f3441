import contextlib
import multiprocessing
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from fl_core.errors import StoreError, StoreTooNewError, StoreUnavailableError
from fl_store.metrics import NotFinite
from fl_store.outbox import Outbox
from fl_store.rows import EventRow, Row
from fl_store.run_rows import MetricRow, RunRow
from fl_store.schema import SCHEMA_VERSION
from fl_store.sqlite import SqliteStore
from tests.store_contract import EVENT, EVERY_KIND, METRIC, RUN, SITE, SITE_ROUND, StoreContract


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "fedluna.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


class TestSqliteStore(StoreContract):
    """SQLite keeps the contract."""


def open_and_close(path: Path) -> None:
    SqliteStore(path).close()


def test_contract_has_a_sample_of_every_kind_of_row() -> None:
    assert {type(row) for row in EVERY_KIND} == set(Row.__args__)


def test_rows_are_there_when_the_file_is_opened_again(store: SqliteStore, path: Path) -> None:
    store.put([EVENT])
    store.close()
    again = SqliteStore(path)
    assert again.get(EventRow) == [EVENT]
    again.close()


def test_two_open_stores_see_each_others_rows(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path)
    store.put([EVENT])
    assert other.get(EventRow) == [EVENT]
    other.close()


def test_processes_may_open_a_new_store_at_once(path: Path) -> None:
    path.parent.mkdir()
    starting = multiprocessing.get_context("fork")
    for attempt in range(5):
        children = [
            starting.Process(target=open_and_close, args=(path.with_name(f"{attempt}.db"),)) for _ in range(4)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * 4


def test_commit_is_on_disk_before_put_returns(store: SqliteStore) -> None:
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL


def test_store_of_a_newer_version_is_refused_with_one_line(path: Path) -> None:
    open_and_close(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(
        StoreTooNewError, match=f"written by a newer FedLuna; this one knows schema {SCHEMA_VERSION}"
    ) as refusal:
        SqliteStore(path)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_store_of_an_older_version_keeps_its_rows_and_queues_them(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE metrics (run_id VARCHAR, round_no INTEGER, site VARCHAR, metric VARCHAR, "
            "value FLOAT, num_examples BIGINT, recorded_at DATETIME NOT NULL, "
            "PRIMARY KEY (run_id, round_no, site, metric))"
        )
        old.execute(
            "INSERT INTO metrics VALUES ('r1', 1, 'north', 'auc', 0.75, 120, '2026-03-29 12:00:00.123456')"
        )
        old.execute("PRAGMA user_version = 1")
        old.commit()
    store = SqliteStore(path)
    row = replace(METRIC, value=0.75)
    assert store.get(MetricRow) == [row]
    assert [entry.row for entry in Outbox(store).oldest(10)] == [row]
    store.put([replace(row, value=None, not_finite=NotFinite.NAN)])
    store.close()
    assert SqliteStore(path).get(MetricRow)[0].not_finite is NotFinite.NAN


NEW_TABLES = ("site_access", "run_requests", "data_shifts", "comparisons", "curves", "uploads", "audit")
NEW_COLUMNS = {"sites": ("version",), "site_rounds": ("train_began_at", "evaluate_began_at")}


def take_back_to_schema_3(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as old:
        for table in (*NEW_TABLES, "outbox"):
            old.execute(f"DROP TABLE {table}")
        for table, columns in NEW_COLUMNS.items():
            for column in columns:
                old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        old.execute("PRAGMA user_version = 3")
        old.commit()


def test_store_of_schema_3_gets_the_new_tables_and_columns(store: SqliteStore, path: Path) -> None:
    site, site_round = replace(SITE, version=None), replace(SITE_ROUND, train_began_at=None)
    store.put([site, site_round, RUN])
    store.close()
    take_back_to_schema_3(path)
    again = SqliteStore(path)
    assert [entry.row for entry in Outbox(again).oldest(10)] == [site, RUN, site_round]
    again.put(EVERY_KIND)
    assert all(row in again.get(type(row)) for row in EVERY_KIND)
    again.close()


def test_full_disk_is_a_store_error_and_harms_nothing(store: SqliteStore) -> None:
    def leave_no_room(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size instead

    store.put([EVENT])
    store.close()
    sa.event.listen(store._engine, "connect", leave_no_room)
    with pytest.raises(StoreUnavailableError, match="database or disk is full"):
        store.put([replace(METRIC, round_no=round_no) for round_no in range(5000)])
    assert (store.get(EventRow), store.get(MetricRow)) == ([EVENT], [])


def put_as_nobody(path: Path, told: "multiprocessing.Queue[str]") -> None:
    if os.geteuid() == 0:
        os.setuid(65534)  # root may write everywhere
    try:
        SqliteStore(path).put([EVENT])
    except StoreUnavailableError as error:
        told.put(str(error))


def test_disk_that_is_read_only_is_a_store_error_of_one_line() -> None:
    starting = multiprocessing.get_context("fork")
    told: multiprocessing.Queue[str] = starting.Queue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fedluna.db"
        open_and_close(path)
        for made in Path(folder).iterdir():
            made.chmod(0o444)
        Path(folder).chmod(0o555)
        child = starting.Process(target=put_as_nobody, args=(path, told))
        child.start()
        assert told.get(timeout=10) == f"Cannot use the store {path}: Permission denied."
        child.join()


def test_file_that_is_no_database_is_refused_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a database. " * 100)
    with pytest.raises(StoreError, match=r"Cannot use the store .*notes\.txt: file is not a database\."):
        SqliteStore(path)


def test_folder_that_is_a_file_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match="Cannot use the store"):
        SqliteStore(tmp_path / "home" / "fedluna.db")


def test_locked_store_is_a_store_error(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fl_store.sqlite.BUSY_TIMEOUT_MS", 1)
    impatient = SqliteStore(path)
    with sqlite3.connect(path) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="database is locked"):
            impatient.put([EVENT])
    holder.close()
    impatient.close()


def test_store_that_another_program_has_locked_can_be_opened_and_read(store: SqliteStore, path: Path) -> None:
    store.put([EVENT])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        other = SqliteStore(path)
        assert other.get(EventRow) == [EVENT]
        other.close()


def test_word_of_a_newer_version_is_a_store_error(store: SqliteStore, path: Path) -> None:
    store.put([RUN])
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE runs SET state = 'dreaming'")
        other.commit()
    with pytest.raises(StoreError, match="table runs: 'dreaming' is not a valid RunState"):
        store.get(RunRow)
