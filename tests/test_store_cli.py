from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fl_core.errors import ConfigError, StoreError, StoreUnavailableError
from fl_server.store_cli import app
from fl_store.connect import open_local_store
from fl_store.rows import EventRow
from fl_store.run_rows import RunRow
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.store_contract import EVENT, RUN
from tests.supabase_server import SupabaseServer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    store = open_local_store(tmp_path)
    store.put([RUN, EVENT])
    store.close()
    return tmp_path


def sync(monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> Result:
    monkeypatch.setenv("SUPABASE_URL", url)
    monkeypatch.setenv("SUPABASE_KEY", key)
    return CliRunner().invoke(app, ["sync"])


def test_sync_carries_everything(supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    result = sync(monkeypatch, supabase.url, supabase.secret_key)
    assert result.exit_code == 0
    assert result.stdout == f"3 rows carried; Supabase at {supabase.url[7:]} has everything.\n"
    project = SupabaseStore(SupabaseSettings(supabase.url, supabase.secret_key))
    assert (project.get(RunRow), project.get(EventRow)) == ([RUN], [EVENT])
    project.close()


def test_sync_tells_what_is_refused(
    home: Path, supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_local_store(home)
    store.put([replace(RUN, run_id="r2", num_rounds=2**40)])
    store.close()
    result = sync(monkeypatch, supabase.url, supabase.secret_key)
    assert isinstance(result.exception, StoreError)
    assert str(result.exception).startswith("Of 4 rows Supabase refuses 1. The first of runs: ")


def test_sync_without_supabase_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    result = sync(monkeypatch, "", "")
    assert isinstance(result.exception, ConfigError)
    assert "Set SUPABASE_URL and SUPABASE_KEY" in str(result.exception)


def test_sync_with_a_dead_supabase_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    result = sync(monkeypatch, "http://127.0.0.1:1", "sb_secret_x")
    assert isinstance(result.exception, StoreUnavailableError)
    assert "does not answer" in str(result.exception)
