import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fl_core.findings import Finding, Level
from fl_server.store_checks import look_at_outbox, look_at_store, look_at_supabase
from fl_store.outbox import Outbox
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore
from tests.store_contract import EVENT, METRIC, RUN, USER
from tests.supabase_server import MIGRATIONS, SupabaseServer


@pytest.fixture
def project(supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch) -> SupabaseServer:
    configure(monkeypatch, supabase.url, supabase.secret_key)
    return supabase


@pytest.fixture(scope="module")
def bare_server(
    supabase_server: SupabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupabaseServer]:
    """A project to which nobody has applied our migrations."""
    with SupabaseServer.start(tmp_path_factory.mktemp("bare"), with_schema=False) as server:
        yield server


def configure(monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    monkeypatch.setenv("SUPABASE_URL", url)
    monkeypatch.setenv("SUPABASE_KEY", key)


def faults() -> list[Finding]:
    return [finding for finding in look_at_supabase() if finding.level is not Level.OK]


def test_store_that_is_well_is_told_with_what_it_holds(store: SqliteStore) -> None:
    store.put([RUN, USER])
    finding, log = look_at_store(store)
    assert finding.level is log.level is Level.OK
    assert finding.text.endswith("is whole: 1 runs, 1 users.")
    assert log.text == "1 entries, each as it was written."


def test_audit_log_that_somebody_touched_is_a_fault(store: SqliteStore) -> None:
    store.put([USER])
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET document = '{}'")
    *_, log = look_at_store(store)
    assert (log.level, log.text) == (
        Level.FAULT,
        "Entry 1 was changed: its hash does not fit what it says.",
    )


def test_store_without_users_lets_nobody_in(store: SqliteStore) -> None:
    _store, users, _log = look_at_store(store)
    assert (users.level, users.advice) == (Level.WARNING, "fl-server users add NAME --role server")


def test_locked_store_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_store.sqlite.BUSY_TIMEOUT_MS", 1)
    store = SqliteStore(tmp_path / "fedluna.db")
    locker = sqlite3.connect(store.path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    (finding,) = look_at_store(store)
    locker.close()
    store.close()
    assert finding.level is Level.FAULT
    assert "database is locked" in finding.text


def test_damaged_store_is_a_fault(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "fedluna.db")
    store.put([replace(METRIC, round_no=round_no) for round_no in range(2000)])
    with store.begin() as connection:
        connection.exec_driver_sql("SELECT 1")
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    damaged = bytearray(store.path.read_bytes())
    damaged[20_000:60_000] = b"\xff" * 40_000
    store.path.write_bytes(damaged)
    (finding,) = look_at_store(store)
    store.close()
    assert finding.level is Level.FAULT
    assert "\n" not in finding.text


def test_supabase_that_is_not_configured_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "", "")
    (finding,) = look_at_supabase()
    assert (finding.level, finding.text) == (
        Level.OK,
        "Not configured: rows are kept in the local store only.",
    )


def test_supabase_that_is_well_is_told_in_four_lines(project: SupabaseServer) -> None:
    findings = list(look_at_supabase())
    assert [finding.subject for finding in findings] == ["Supabase", "schema", "rights", "clock"]
    assert {finding.level for finding in findings} == {Level.OK}


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("http://127.0.0.1:1", "sb_secret_x", "does not answer (ConnectError)"),
        ("https://project.supabase.co", "sb_publishable_x", "is a publishable key, expected a secret key"),
        ("project", "sb_secret_x", "SUPABASE_URL is 'project', expected the project's address"),
        ("https://project.supabase.co", "", "SUPABASE_KEY is not set"),
    ],
    ids=["down", "publishable key", "no address", "no key"],
)
def test_wrong_settings_are_a_fault(monkeypatch: pytest.MonkeyPatch, url: str, key: str, words: str) -> None:
    configure(monkeypatch, url, key)
    (fault,) = faults()
    assert words in fault.text
    assert fault.advice


def test_wrong_key_is_a_fault(project: SupabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, project.url, "sb_secret_wrong")
    (fault,) = faults()
    assert "refuses SUPABASE_KEY: Invalid API key" in fault.text
    assert "sb_secret_wrong" not in repr(fault)


def test_missing_schema_is_a_fault(bare_server: SupabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, bare_server.url, bare_server.secret_key)
    (fault,) = faults()
    assert "has no schema of FedLuna. Apply the files of supabase/migrations" in fault.text


def test_missing_right_is_a_fault(project: SupabaseServer) -> None:
    project.psql("revoke insert, update on public.metrics from service_role")
    try:
        (fault,) = faults()
    finally:
        project.apply(max(MIGRATIONS.glob("*_rights.sql")))
    assert fault.text == "The key lacks rights: metrics: insert, metrics: update."
    assert "_rights.sql" in fault.advice


@pytest.mark.parametrize(("shift", "side"), [("+", "behind"), ("-", "ahead of")])
def test_clock_that_is_an_hour_off_is_a_fault(project: SupabaseServer, shift: str, side: str) -> None:
    definition = project.psql("select pg_get_functiondef('public.fedluna_health'::regproc)")
    project.psql(definition.replace("clock_timestamp()", f"clock_timestamp() {shift} interval '1 hour'"))
    try:
        (fault,) = faults()
    finally:
        project.psql(definition)
    assert fault.text == f"This machine's clock is 3600 s {side} Supabase's."
    assert "Set the clock" in fault.advice


def test_empty_outbox_is_well(store: SqliteStore) -> None:
    (finding,) = look_at_outbox(Outbox(store))
    assert (finding.level, finding.text) == (Level.OK, "No row waits.")


def test_rows_that_wait_for_long_are_a_warning(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, "https://project.supabase.co", "sb_secret_x")
    hour_ago = utc_now() - timedelta(hours=1)
    monkeypatch.setattr("fl_store.sqlite.utc_now", lambda: hour_ago)
    store.put([RUN, METRIC])
    (finding,) = look_at_outbox(Outbox(store))
    assert (finding.level, finding.advice) == (Level.WARNING, "fl-server store sync")
    assert finding.text == (
        f"2 rows waiting for Supabase, the oldest since {hour_ago:%Y-%m-%d %H:%M:%S} UTC."
    )


def test_rows_wait_without_harm_where_there_is_no_supabase(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, "", "")
    store.put([EVENT])
    (finding,) = look_at_outbox(Outbox(store))
    assert (finding.level, finding.advice) == (Level.OK, "")


def test_parked_rows_are_a_fault_with_their_reason(store: SqliteStore) -> None:
    store.put([EVENT, METRIC])
    outbox = Outbox(store)
    outbox.park(outbox.oldest(10)[:1], "Out of range.")
    _waiting, parked = look_at_outbox(outbox)
    assert parked.text == "1 row of metrics parked: Out of range."
    assert parked.level is Level.FAULT
