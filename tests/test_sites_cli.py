import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fl_server.people import name_terminal_user
from fl_store.rows import SiteAccessRow, SiteRow, utc_now
from fl_store.sqlite import SqliteStore

NOW = utc_now()
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(run_fl_server: Run) -> Run:
    """Give a function that runs ``fl-server sites`` and returns its exit code."""
    return partial(run_fl_server, "sites")


@pytest.fixture
def joined(store: SqliteStore) -> SqliteStore:
    """The store after two sites have joined."""
    store.put([SiteRow("north", "1", 3, 1, NOW, NOW, "0.1.0"), SiteRow("south", "2", 3, 1, NOW, NOW)])
    return store


def test_site_is_shut_out_and_let_in_again(
    run: Run, joined: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, is_allowed in (("revoke", False), ("allow", True)):
        assert run(command, "north", "--reason", "Contract.") == 0
        (row,) = joined.get(SiteAccessRow)
        assert (row.site, row.is_allowed, row.reason) == ("north", is_allowed, "Contract.")
        assert row.changed_by == name_terminal_user()
    assert capsys.readouterr().out == (
        "Site 'north' may not take part from now on.\nSite 'north' may take part.\n"
    )


@pytest.mark.parametrize("command", ["revoke", "allow"])
def test_unknown_site_is_one_line(
    run: Run, joined: SqliteStore, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, "nroth") == 2
    assert capsys.readouterr().err == "There is no site 'nroth'. `fl-server sites list` shows all.\n"
    assert joined.get(SiteAccessRow) == []


def test_list_shows_version_and_who_shut_a_site_out(
    run: Run, joined: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    joined.put([SiteAccessRow("south", False, "anna", NOW, "[bold]Contract[/bold] ended.")])
    assert run("list") == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "north 0.1.0" in told
    assert "no, by anna in the monitor" in told
    assert "[bold]Contract[/bold]" in told


def test_list_in_json_is_for_scripts(
    run: Run, joined: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    joined.put([SiteAccessRow("south", False, "anna", NOW)])
    assert run("list", "--json") == 0
    north, south = json.loads(capsys.readouterr().out)
    assert north == {
        "site": "north",
        "version": "0.1.0",
        "joined_at": NOW.isoformat(),
        "key": None,
        "kit_expires_at": None,
        "is_allowed": True,
        "changed_by": None,
        "changed_at": None,
        "reason": None,
    }
    assert (south["is_allowed"], south["changed_by"], south["version"]) == (False, "anna", None)


def test_without_a_site_the_list_is_one_sentence(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert capsys.readouterr().out == f"No site is enrolled or has joined yet in {tmp_path}.\n"
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
