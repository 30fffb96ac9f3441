from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fl_store.outbox import Outbox, Refusal
from fl_store.rows import AuditRow, Row, utc_now
from fl_store.run_rows import RoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.store_contract import AUDIT, EVENT, EVERY_KIND, METRIC, NOON, PRESENCE, RUN, SECOND


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "fedluna.db")
    yield opened
    opened.close()


@pytest.fixture
def outbox(store: SqliteStore) -> Outbox:
    return Outbox(store)


def rows_in(outbox: Outbox) -> list[Row]:
    return [entry.row for entry in outbox.oldest(1000)]


def entries_beside(store: SqliteStore) -> list[AuditRow]:
    """Return what the store wrote into the audit log of its own accord."""
    return [row for row in store.get(AuditRow) if row != AUDIT]


def test_every_kind_of_row_waits_as_it_is(store: SqliteStore, outbox: Outbox) -> None:
    store.put(EVERY_KIND)
    assert sorted(map(repr, rows_in(outbox))) == sorted(map(repr, [*EVERY_KIND, *entries_beside(store)]))


def test_row_that_changed_is_carried_once_as_it_is_now(store: SqliteStore, outbox: Outbox) -> None:
    finished = replace(RUN, state=RunState.FINISHED)
    store.put([RUN])
    store.put([finished])
    assert rows_in(outbox) == [finished]


def test_row_that_changes_while_it_is_carried_is_carried_again(store: SqliteStore, outbox: Outbox) -> None:
    store.put([RUN])
    in_hand = outbox.oldest(10)
    finished = replace(RUN, state=RunState.FINISHED)
    store.put([finished])
    outbox.drop(in_hand)
    assert rows_in(outbox) == [finished]


def test_numbers_of_a_round_come_before_its_end(store: SqliteStore, outbox: Outbox) -> None:
    store.put([RoundRow("r1", 1, NOON, NOON + SECOND), METRIC, RUN])
    assert [type(row).__name__ for row in rows_in(outbox)] == ["RunRow", "MetricRow", "RoundRow"]


def test_oldest_come_first(store: SqliteStore, outbox: Outbox) -> None:
    for number in range(5):
        store.put([replace(METRIC, round_no=number)])
    store.put([replace(METRIC, round_no=0)])  # changed last
    assert [entry.row.round_no for entry in outbox.oldest(3)] == [1, 2, 3]  # type: ignore[union-attr]


def test_row_that_was_refused_by_the_store_does_not_wait(store: SqliteStore, outbox: Outbox) -> None:
    with pytest.raises(Exception, match="no time zone"):
        store.put([EVENT, replace(PRESENCE, last_seen_at=NOON.replace(tzinfo=None))])
    assert rows_in(outbox) == []


def test_parked_row_does_not_wait_until_it_is_tried_again(store: SqliteStore, outbox: Outbox) -> None:
    store.put([PRESENCE, METRIC])
    outbox.park([entry for entry in outbox.oldest(10) if entry.row == PRESENCE], "No.")
    assert rows_in(outbox) == [METRIC]
    assert outbox.backlog().refusals == (Refusal("presence", 1, "No."),)
    outbox.retry_parked()
    assert PRESENCE in rows_in(outbox)
    assert outbox.backlog().num_parked == 0


def test_parked_row_that_changes_waits_again(store: SqliteStore, outbox: Outbox) -> None:
    store.put([RUN])
    outbox.park(outbox.oldest(10), "No.")
    store.put([RUN])
    assert rows_in(outbox) == [RUN]


def test_backlog_tells_how_many_wait_and_since_when(store: SqliteStore, outbox: Outbox) -> None:
    assert (outbox.backlog().num_waiting, outbox.backlog().oldest_at) == (0, None)
    store.put([PRESENCE, METRIC])
    backlog = outbox.backlog()
    assert backlog.num_waiting == 2
    assert backlog.oldest_at
    assert utc_now() - backlog.oldest_at < timedelta(minutes=1)


def test_copies_do_not_wait_and_do_not_replace_what_waits(store: SqliteStore, outbox: Outbox) -> None:
    store.put([RUN])
    store.put_copies([replace(RUN, name="Old name"), EVENT])
    assert rows_in(outbox) == [RUN]
    assert store.get(type(RUN)) == [RUN]
    assert store.get(type(EVENT)) == [EVENT]


def test_row_that_somebody_deleted_does_not_wait(store: SqliteStore, outbox: Outbox) -> None:
    store.put([PRESENCE, METRIC])
    with store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM presence")
    assert rows_in(outbox) == [METRIC]
    assert outbox.backlog().num_waiting == 1


def test_row_whose_key_had_to_be_mended_waits_as_it_is_kept(store: SqliteStore, outbox: Outbox) -> None:
    store.put([replace(PRESENCE, name="e\0")])
    assert [row.name for row in rows_in(outbox)] == ["e\N{REPLACEMENT CHARACTER}"]  # type: ignore[union-attr]


def test_rows_are_found_by_their_keys_without_reading_a_table_through(
    store: SqliteStore, outbox: Outbox
) -> None:
    steps: list[str] = []

    @sa.event.listens_for(store._engine, "before_cursor_execute")
    def explain(connection: sa.Connection, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        plan = connection.connection.cursor()
        plan.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        steps.extend(step for *_, step in plan.fetchall())

    store.put(EVERY_KIND)
    steps.clear()
    outbox.oldest(10)
    assert len(steps) > len(EVERY_KIND)
    assert [step for step in steps if step.startswith("SCAN") and step != "SCAN outbox"] == []
