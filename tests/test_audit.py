import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fl_store.audit import BEFORE_THE_FIRST, find_differences, find_faults, hash_entry
from fl_store.outbox import Outbox
from fl_store.rows import AuditRow, EventRow, LoginAttemptRow, SiteAccessRow, UserRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role
from tests.store_contract import ACCESS, EVENT, METRIC, NOON, SECOND, USER

NUM_EVENTS = 6
COPY = """INSERT INTO audit
  SELECT chain, {}, table_name, document, recorded_at, previous_hash, hash FROM audit WHERE entry_no = {}"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fedluna.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


@pytest.fixture
def log(store: SqliteStore) -> list[AuditRow]:
    """Six entries, as they were written."""
    store.put([replace(EVENT, event_id=f"e{number}") for number in range(1, NUM_EVENTS + 1)])
    return store.get(AuditRow)


def alter(path: Path, sql: str) -> None:
    """Do what somebody can who may write the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def rechain(log: list[AuditRow]) -> list[AuditRow]:
    """Number, link and hash these entries anew, as who knows this program can."""
    done: list[AuditRow] = []
    for number, entry in enumerate(log, 1):
        linked = replace(entry, entry_no=number, previous_hash=done[-1].hash if done else BEFORE_THE_FIRST)
        done.append(replace(linked, hash=hash_entry(linked)))
    return done


def test_entry_is_the_row_as_it_was_written_and_follows_the_one_before(log: list[AuditRow]) -> None:
    assert [entry.entry_no for entry in log] == [1, 2, 3, 4, 5, 6]
    assert json.loads(log[1].document) == {
        "kind": "round",
        "text": "Round 1 is over.",
        "run_id": "r1",
        "site": None,
        "user": None,
        "occurred_at": NOON.isoformat(),
        "event_id": "e2",
    }
    assert [entry.previous_hash for entry in log] == [BEFORE_THE_FIRST, *(entry.hash for entry in log[:-1])]


def test_hash_is_the_sha256_of_one_spelling_of_the_entry() -> None:
    entry = AuditRow("c", 1, "events", '{"kind":"run"}', NOON, BEFORE_THE_FIRST, "")
    assert hash_entry(entry) == "ebb2a2cbe0a5c293fd92a7300a4fa701e2cb16d4d60122e927bb91d688377c7a"
    assert hash_entry(replace(entry, hash="ab")) == hash_entry(entry)


@pytest.mark.parametrize(
    "row",
    [EVENT, LoginAttemptRow("anna", "192.0.2.7", is_accepted=False, attempted_at=NOON), ACCESS, USER],
    ids=lambda row: type(row).__name__,
)
def test_row_that_tells_who_did_what_is_audited(
    store: SqliteStore, row: EventRow | LoginAttemptRow | SiteAccessRow | UserRow
) -> None:
    store.put([METRIC, row])
    assert len(store.get(AuditRow)) == 1


def test_change_of_a_role_is_another_entry_without_the_hash_of_the_password(store: SqliteStore) -> None:
    store.put([USER])
    store.put([replace(USER, role=Role.SERVER, site=None, changed_at=NOON + SECOND)])
    entries = store.get(AuditRow)
    assert [json.loads(entry.document)["role"] for entry in entries] == [USER.role, "server"]
    assert all(USER.password_hash not in entry.document for entry in entries)
    assert "password_hash" not in entries[0].document


def test_row_that_changes_nothing_is_not_audited(store: SqliteStore) -> None:
    store.put([EVENT, EVENT])
    store.put([replace(EVENT, text="Nothing happened.")])
    store.put_copies([ACCESS])
    assert len(store.get(AuditRow)) == 1


def test_rows_that_are_refused_leave_no_entry(store: SqliteStore) -> None:
    with pytest.raises(Exception, match="no time zone"):
        store.put([EVENT, replace(EVENT, event_id="e2", occurred_at=NOON.replace(tzinfo=None))])
    assert store.get(AuditRow) == []


def test_log_waits_for_supabase(store: SqliteStore, log: list[AuditRow]) -> None:
    assert [entry.row for entry in Outbox(store).oldest(100) if isinstance(entry.row, AuditRow)] == log


def test_log_goes_on_when_the_store_is_opened_again(store: SqliteStore, path: Path) -> None:
    store.put([EVENT])
    with closing(SqliteStore(path)) as other:
        other.put([replace(EVENT, event_id="e2")])
    assert list(find_faults(store.get(AuditRow))) == []
    assert len({entry.chain for entry in store.get(AuditRow)}) == 1


def test_events_of_before_the_log_are_not_put_in_when_the_store_is_brought_up_to_date(
    store: SqliteStore, path: Path
) -> None:
    store.put([EVENT])
    store.close()
    alter(path, "DROP TABLE audit")
    alter(path, "PRAGMA user_version = 4")
    with closing(SqliteStore(path)) as again:
        assert (again.get(EventRow), again.get(AuditRow)) == ([EVENT], [])


def write_events(path: Path, writer: int) -> None:
    with closing(SqliteStore(path)) as store:
        for number in range(20):
            store.put([METRIC, replace(EVENT, event_id=f"{writer}-{number}a"), METRIC])


def test_processes_may_add_at_once(store: SqliteStore, path: Path) -> None:
    starting = multiprocessing.get_context("fork")
    writers = [starting.Process(target=write_events, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = store.get(AuditRow)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert [entry.entry_no for entry in entries] == list(range(1, 81))
    assert list(find_faults(entries)) == []


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE audit SET document = '{}' WHERE entry_no = 3", "Entry 3 was changed"),
        ("UPDATE audit SET table_name = 'users' WHERE entry_no = 3", "Entry 3 was changed"),
        ("UPDATE audit SET recorded_at = '2026-01-01 00:00:00.000000' WHERE entry_no = 3", "Entry 3 was"),
        ("UPDATE audit SET hash = 'ab' WHERE entry_no = 6", "Entry 6 was changed"),
        ("DELETE FROM audit WHERE entry_no = 3", "Entry 3 is missing."),
        ("DELETE FROM audit WHERE entry_no IN (3, 4)", "Entries 3 to 4 are missing."),
        ("DELETE FROM audit WHERE entry_no = 1", "Entry 1 is missing."),
        (
            COPY.format(0, 1),
            "Entry 0 was inserted",
        ),
        (
            COPY.format(7, 2),
            "Entry 7 was changed",
        ),
    ],
)
def test_entry_that_somebody_touched_is_named(
    store: SqliteStore, path: Path, log: list[AuditRow], sql: str, fault: str
) -> None:
    assert list(find_faults(log)) == []
    alter(path, sql)
    (found,) = find_faults(store.get(AuditRow))
    assert found.startswith(fault)


def test_entries_that_changed_places_are_both_named(log: list[AuditRow]) -> None:
    swapped = [replace(log[1], entry_no=3), replace(log[2], entry_no=2)]
    assert [fault[:19] for fault in find_faults([log[0], *swapped, *log[3:]])] == [
        "Entry 2 was changed",
        "Entry 3 was changed",
        "Entry 4 does not fo",
    ]


def test_entry_that_was_written_anew_does_not_fit_the_next(log: list[AuditRow]) -> None:
    changed = replace(log[2], document="{}")
    forged = replace(changed, hash=hash_entry(changed))
    (fault,) = find_faults([*log[:2], forged, *log[3:]])
    assert fault.startswith("Entry 4 does not follow entry 3")


def test_chain_that_was_made_anew_is_told_by_the_copy_in_supabase_only(log: list[AuditRow]) -> None:
    forged = rechain([entry for entry in log if entry.entry_no != 5])
    assert list(find_faults(forged)) == []
    assert [fault[:30] for fault in find_differences(forged, log)] == [
        "Entry 5 is not the one that Su",
        "Entry 6 is in Supabase, but no",
    ]


def test_entries_that_supabase_lacks_yet_and_logs_of_others_are_no_difference(log: list[AuditRow]) -> None:
    of_a_monitor = rechain([replace(log[0], chain="another")])
    assert list(find_differences(log, [*log[:3], *of_a_monitor])) == []
    assert list(find_faults([*log, *of_a_monitor])) == []
