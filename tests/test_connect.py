from pathlib import Path

import pytest

from fl_core.errors import ConfigError
from fl_store.connect import (
    open_coordinator_store,
    open_local_store,
    open_monitor_store,
    open_store,
    open_supabase,
)
from fl_store.mirrored import CoordinatorStore, MirroredStore, MonitorStore
from fl_store.rows import EventRow, UserRow
from fl_store.sqlite import SqliteStore
from tests.store_contract import EVENT, USER
from tests.supabase_server import SupabaseServer

NOWHERE = {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_KEY": "sb_secret_x"}


@pytest.fixture(autouse=True)
def without_supabase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOWHERE:
        monkeypatch.delenv(name, raising=False)


def configure(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in (NOWHERE | changes).items():
        monkeypatch.setenv(name, value)


def test_store_of_a_home_is_its_sqlite_file(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new" / "home")
    store.put([EVENT])
    assert store.get(EventRow) == [EVENT]
    store.close()
    assert (tmp_path / "new" / "home" / "fedluna.db").is_file()


def test_without_the_variables_there_is_no_supabase(tmp_path: Path) -> None:
    for open_it in (open_store, open_coordinator_store, open_monitor_store, open_local_store):
        store = open_it(tmp_path)
        assert type(store) is SqliteStore
        store.close()
    assert open_supabase() is None


def test_with_the_variables_rows_are_mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch)
    kinds = {
        open_store: MirroredStore,
        open_coordinator_store: CoordinatorStore,
        open_monitor_store: MonitorStore,
    }
    for open_it, kind in kinds.items():
        store = open_it(tmp_path)
        assert type(store) is kind
        store.close()


@pytest.mark.parametrize("open_it", [open_store, open_coordinator_store, open_monitor_store])
def test_wrong_key_is_a_warning_and_rows_are_kept_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, open_it: object
) -> None:
    configure(monkeypatch, SUPABASE_KEY="sb_publishable_x")
    store = open_it(tmp_path)  # type: ignore[operator]
    assert type(store) is SqliteStore
    store.close()
    (record,) = caplog.records
    assert "SUPABASE_KEY is a publishable key, expected a secret key" in record.getMessage()
    assert "sb_publishable_x" not in record.getMessage()


def test_wrong_key_is_an_error_for_whoever_needs_supabase(monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, SUPABASE_KEY="sb_publishable_x")
    with pytest.raises(ConfigError, match="publishable"):
        open_supabase()


def test_accounts_of_supabase_are_known_to_a_new_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supabase: SupabaseServer
) -> None:
    configure(monkeypatch, SUPABASE_URL=supabase.url, SUPABASE_KEY=supabase.secret_key)
    first = open_store(tmp_path / "first")
    first.put([USER])
    first.close()
    second = open_store(tmp_path / "second", copies_changes=True)
    assert second.get(UserRow) == [USER]
    second.close()


def test_accounts_are_not_waited_for_when_supabase_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch)
    store = open_store(tmp_path, copies_changes=True)
    assert store.get(UserRow) == []
    store.close()
