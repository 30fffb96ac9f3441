import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fl_core.errors import StoreUnavailableError
from fl_store.base import Store
from fl_store.mirrored import CoordinatorStore, MirroredStore, MonitorStore, copy_logins, copy_requests
from fl_store.rows import EventRow, SessionRow, SiteAccessRow, UserRow
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.supabase import TIMEOUT, SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from fl_store.words import RunRequest
from tests.store_contract import EVENT, NOON, RUN, SECOND, SESSION, USER, StoreContract
from tests.supabase_server import SupabaseServer
from tests.test_carrier import wait_until

NOWHERE = SupabaseSettings("http://127.0.0.1:1", "sb_secret_x")


@pytest.fixture
def project(supabase: SupabaseServer) -> Iterator[SupabaseStore]:
    opened = SupabaseStore(SupabaseSettings(supabase.url, supabase.secret_key))
    yield opened
    opened.close()


def mirrored(folder: Path, server: SupabaseServer) -> MirroredStore:
    remote = SupabaseStore(SupabaseSettings(server.url, server.secret_key))
    return MirroredStore(SqliteStore(folder / "fedluna.db"), remote)


def monitor_store(folder: Path, settings: SupabaseSettings) -> MonitorStore:
    return MonitorStore(SqliteStore(folder / "fedluna.db"), SupabaseStore(settings))


@pytest.fixture
def store(tmp_path: Path, supabase: SupabaseServer) -> Iterator[Store]:
    opened = mirrored(tmp_path, supabase)
    yield opened
    opened.close()


@pytest.fixture
def monitor(tmp_path: Path, supabase: SupabaseServer) -> Iterator[MonitorStore]:
    opened = monitor_store(tmp_path / "monitor", SupabaseSettings(supabase.url, supabase.secret_key))
    yield opened
    opened.close()


class TestMirroredStore(StoreContract):
    """The two together keep the contract."""


def test_rows_arrive_in_supabase(store: MirroredStore, project: SupabaseStore) -> None:
    store.put([RUN, EVENT])
    wait_until(lambda: project.get(EventRow) == [EVENT])
    assert project.get(RunRow) == [RUN]


def test_rows_written_before_supabase_was_configured_arrive(
    tmp_path: Path, supabase: SupabaseServer, project: SupabaseStore
) -> None:
    alone = SqliteStore(tmp_path / "fedluna.db")
    alone.put([EVENT])
    alone.close()
    mirrored(tmp_path, supabase).close()
    assert project.get(EventRow) == [EVENT]


def test_nothing_waits_for_a_dead_supabase(tmp_path: Path) -> None:
    store = MirroredStore(SqliteStore(tmp_path / "fedluna.db"), SupabaseStore(NOWHERE))
    store.put([EVENT])
    assert store.get(EventRow) == [EVENT]
    store.close()


def test_monitor_elsewhere_reads_supabase(monitor: MonitorStore, project: SupabaseStore) -> None:
    project.put([RUN, EVENT])
    assert monitor.get(RunRow) == [RUN]
    assert monitor.get(EventRow) == [EVENT]


def test_monitor_beside_the_coordinator_reads_what_is_here(
    monitor: MonitorStore, tmp_path: Path, project: SupabaseStore
) -> None:
    project.put([EVENT])
    coordinator = SqliteStore(tmp_path / "monitor" / "fedluna.db")
    coordinator.put([RUN])
    assert monitor.get(RunRow) == [RUN]
    assert monitor.get(EventRow) == []
    coordinator.close()


def test_monitor_without_its_source_says_so(tmp_path: Path) -> None:
    monitor = monitor_store(tmp_path, NOWHERE)
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        monitor.get(RunRow)
    monitor.close()


def test_login_goes_by_a_copy_while_supabase_is_down(
    tmp_path: Path, supabase: SupabaseServer, project: SupabaseStore
) -> None:
    project.put([USER])
    monitor = monitor_store(tmp_path, SupabaseSettings(supabase.url, supabase.secret_key))
    supabase.kill()
    assert monitor.get(UserRow, name="anna") == [USER]
    monitor.put([SESSION])
    assert monitor.get(SessionRow, token_hash=SESSION.token_hash) == [SESSION]
    monitor.close()


def test_change_in_supabase_reaches_the_copy(monitor: MonitorStore, project: SupabaseStore) -> None:
    monitor.put([SESSION])
    wait_until(lambda: project.get(SessionRow) == [SESSION])
    ended = replace(SESSION, ended_at=NOON)
    project.put([USER, ended])
    wait_until(lambda: monitor.get(SessionRow) == [ended])
    assert monitor.get(UserRow) == [USER]


def test_copy_never_undoes_a_newer_change_here(tmp_path: Path) -> None:
    here, there = (SqliteStore(tmp_path / name) for name in ("here.db", "there.db"))
    enabled = replace(USER, is_disabled=False, changed_at=NOON + SECOND)
    there.put([USER])
    here.put([enabled])
    copy_logins(here, there)
    assert here.get(UserRow) == [enabled]
    here.close()
    there.close()


REQUEST = RunRequestRow("run-1", RunRequest.STOP, "anna", NOON)
SHUT_OUT = SiteAccessRow("north", is_allowed=False, changed_by="anna", changed_at=NOON)


def test_what_is_asked_elsewhere_reaches_the_coordinator(tmp_path: Path) -> None:
    """Another SQLite file stands for Supabase: what the run's own process reads is the local one."""
    elsewhere, run = SqliteStore(tmp_path / "there.db"), SqliteStore(tmp_path / "fedluna.db")
    store = CoordinatorStore(SqliteStore(run.path), SqliteStore(elsewhere.path))
    elsewhere.put([REQUEST, SHUT_OUT])
    wait_until(lambda: run.get(RunRequestRow) == [REQUEST])
    wait_until(lambda: run.get(SiteAccessRow) == [SHUT_OUT])
    store.close()
    elsewhere.close()
    run.close()


def test_coordinator_does_not_wait_for_a_dead_supabase(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with closing(CoordinatorStore(SqliteStore(tmp_path / "fedluna.db"), SupabaseStore(NOWHERE))) as store:
        store.put([REQUEST])
        assert store.get(RunRequestRow) == [REQUEST]
        assert time.monotonic() - began_s < (TIMEOUT.connect or 0)


def test_copy_of_an_older_word_does_not_undo_a_newer_one_here(tmp_path: Path) -> None:
    here, there = (SqliteStore(tmp_path / name) for name in ("here.db", "there.db"))
    newer = replace(SHUT_OUT, is_allowed=True, changed_at=NOON + SECOND)
    there.put([SHUT_OUT, REQUEST])
    here.put([newer])
    copy_requests(here, there)
    assert here.get(SiteAccessRow) == [newer]
    assert here.get(RunRequestRow) == [REQUEST]
    here.close()
    there.close()
