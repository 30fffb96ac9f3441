from typing import Any

import pytest

from fl_monitor import tables
from fl_monitor.tables import TableReader
from fl_store.rows import EventRow
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore


def test_only_tables_that_somebody_wants_are_read(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    assert TableReader(store).read([RunRow]) == {RunRow: (rehearsal.run,)}


def test_table_is_read_again_after_two_seconds(
    store: SqliteStore, rehearsal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("fl_monitor.tables.time.monotonic", lambda: now)
    reader = TableReader(store)
    assert reader.read([RunRow]) == {RunRow: ()}
    rehearsal.start()
    now += tables.READ_EVERY_S - 0.1
    assert reader.read([RunRow]) == {RunRow: ()}
    now += 0.1
    assert reader.read([RunRow]) == {RunRow: (rehearsal.run,)}


def test_rows_that_have_not_changed_are_the_same_object(
    store: SqliteStore, rehearsal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.start()
    monkeypatch.setattr(tables, "READ_EVERY_S", 0.0)
    reader = TableReader(store)
    assert reader.read([RunRow])[RunRow] is reader.read([RunRow])[RunRow]


def test_of_a_table_that_grows_for_ever_the_newest_are_read(store: SqliteStore) -> None:
    store.put([EventRow("round", f"event {number}") for number in range(250)])
    found = TableReader(store).read([EventRow])[EventRow]
    assert (len(found), found[-1].text) == (200, "event 249")
