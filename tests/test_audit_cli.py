import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from fl_store.outbox import Outbox
from fl_store.rows import AuditRow
from fl_store.sqlite import SqliteStore
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from fl_store.words import Role
from tests.store_contract import ACCESS, EVENT, USER
from tests.supabase_server import SupabaseServer

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def run(run_fl_server: Run) -> Run:
    """Give a function that runs ``fl-server audit`` and returns its exit code."""
    return partial(run_fl_server, "audit")


@pytest.fixture
def filled(store: SqliteStore) -> SqliteStore:
    """The store after three deeds."""
    store.put([ACCESS, USER, EVENT])
    return store


def change_entry(store: SqliteStore, sql: str) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(sql)


def test_list_shows_who_did_what(run: Run, filled: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()[3:6]
    assert [[cell.strip() for cell in line.strip("│┃").split("│")][2:] for line in lines] == [
        [ACCESS.changed_by, "site_access", f"Site '{ACCESS.site}' may not take part: {ACCESS.reason}"],
        ["-", "account", f"The account '{USER.name}' was written: client of {USER.site}, may not log in."],
        ["-", EVENT.kind, EVENT.text],
    ]


def test_list_as_json_keeps_the_newest(
    run: Run, filled: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list", "--json", "--newest", "1") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["entry_no"], json.loads(entry["document"])["text"]) == (3, EVENT.text)


@pytest.mark.parametrize("command", ["list", "verify"])
def test_empty_log_is_one_line(
    run: Run, store: SqliteStore, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command) == 0
    assert capsys.readouterr() == (f"No entry yet in {tmp_path}.\n", "")


def test_log_as_it_was_written_passes_and_gives_a_hash_to_note(
    run: Run, filled: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify") == 0
    told = capsys.readouterr().out
    assert told.startswith("3 entries, each as it was written. The last is number 3.\n")
    noted = told.split()[-1]
    filled.put([replace(EVENT, event_id="later")])
    assert run("verify", "--known", noted) == 0


def test_changed_entry_is_named_with_exit_code_1(
    run: Run, filled: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_entry(filled, "UPDATE audit SET document = 'broken' WHERE entry_no = 2")
    assert run("verify") == 1
    assert capsys.readouterr() == (
        "Entry 2 was changed: its hash does not fit what it says.\n",
        f"The audit log in {tmp_path} is not as it was written.\n",
    )
    assert run("list") == 0
    assert "This entry cannot be read" in capsys.readouterr().out
    assert run("list", "--json") == 0


def test_log_that_was_cut_off_lacks_the_hash_that_was_noted(
    run: Run, filled: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = filled.get(AuditRow)[-1].hash
    change_entry(filled, "DELETE FROM audit WHERE entry_no = 3")
    assert run("verify") == 0
    assert run("verify", "--known", noted) == 1
    assert f"No entry has the hash {noted}" in capsys.readouterr().out


def test_log_is_compared_with_what_supabase_was_given(
    run: Run,
    filled: SqliteStore,
    supabase: SupabaseServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(SupabaseStore(SupabaseSettings(supabase.url, supabase.secret_key))) as project:
        project.put([entry.row for entry in Outbox(filled).oldest(100)])
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    monkeypatch.setenv("SUPABASE_KEY", supabase.secret_key)
    assert run("verify") == 0
    assert "each as it was written, here and in Supabase." in capsys.readouterr().out
    change_entry(filled, "DELETE FROM audit WHERE entry_no = 3")
    assert run("verify") == 1
    assert capsys.readouterr().out == "Entry 3 is in Supabase, but not here any more.\n"
    change_entry(filled, "DELETE FROM audit")
    assert run("verify") == 0
    assert "Supabase has 1 other logs, each whole: of monitors elsewhere, or one that was removed" in (
        capsys.readouterr().out
    )


def test_who_changed_an_account_at_the_terminal_is_in_the_log(
    run_fl_server: Run, filled: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_fl_server("users", "role", USER.name, Role.ANALYST) == 0
    assert run_fl_server("audit", "list", "--newest", "2") == 0
    account, deed = capsys.readouterr().out.splitlines()[-3:-1]
    assert f"The account '{USER.name}' was written: analyst, may not log in." in account
    assert " at the terminal" in deed
    assert f"User '{USER.name}' (analyst) may not log in." in deed
