import io
import sys
from pathlib import Path

import pytest

from fl_core.config import RunConfig, load_settings
from fl_core.errors import ConfigError
from fl_server.cli import main, override
from fl_store import accounts
from fl_store.accounts import check_password, find_user
from fl_store.rows import Role
from fl_store.sqlite import SqliteStore

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse"
ANNA = ("users", "add", "anna", "--role", "analyst", "--password-stdin")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store of the test be the coordinator's, and a hash cost 1 ms."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setattr(accounts, "BCRYPT_COST", 4)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = "") -> int:
    monkeypatch.setattr(sys, "argv", ["fl-server", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_user_added_with_a_piped_password_may_log_in(
    monkeypatch: pytest.MonkeyPatch, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *ANNA, typed=f"{PASSWORD}\n") == 0
    assert check_password(store, "anna", PASSWORD)
    printed = capsys.readouterr()
    assert printed.out == "User 'anna' (analyst) may log in.\n"
    assert PASSWORD not in printed.out + printed.err


def test_user_of_one_site_is_bound_to_it(monkeypatch: pytest.MonkeyPatch, store: SqliteStore) -> None:
    options = ("users", "add", "nora", "--role", "client", "--site", "north", "--password-stdin")
    assert run(monkeypatch, *options, typed=PASSWORD) == 0
    user = find_user(store, "nora")
    assert user is not None
    assert (user.role, user.site) == (Role.CLIENT, "north")


def test_password_can_be_changed(monkeypatch: pytest.MonkeyPatch, store: SqliteStore) -> None:
    run(monkeypatch, *ANNA, typed=PASSWORD)
    assert run(monkeypatch, "users", "password", "anna", "--password-stdin", typed="another password") == 0
    assert check_password(store, "anna", "another password")
    assert check_password(store, "anna", PASSWORD) is None


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (ANNA, "short\n", "The password has 5 characters, expected at least 10."),
        (ANNA, "", "The password has 0 characters"),
        (ANNA[:-1], PASSWORD, "There is no terminal to type a password at. Give --password-stdin."),
        (("users", "password", "bob", "--password-stdin"), PASSWORD, "There is no user 'bob'."),
        (("users", "add", "anna", "--role", "boss", "--password-stdin"), PASSWORD, "'boss' is not one of"),
        ((), "", "No configuration. Give --config FILE, such as configs/demo.toml."),
        (("--config", "none.toml"), "", "No configuration file none.toml."),
        (("--config", "run.toml", "--rounds", "0"), "", "--rounds"),
    ],
)
def test_wrong_use_is_told_and_has_exit_code_2(
    arguments: tuple[str, ...],
    typed: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments, typed=typed) == 2
    assert words in capsys.readouterr().err


def test_wrong_value_in_the_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.toml").write_text("[federation]\nround = 5\n")
    assert run(monkeypatch, "--config", "run.toml") == 2
    told = "run.toml: unknown key 'federation.round'. Did you mean 'federation.rounds'?\n"
    assert capsys.readouterr().err == told


def test_users_are_listed_without_their_hashes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, *ANNA, typed=PASSWORD)
    assert run(monkeypatch, "users", "list") == 0
    printed = capsys.readouterr().out
    assert "anna" in printed
    assert "analyst" in printed
    assert "$2b$" not in printed


def test_command_line_wins_over_the_file() -> None:
    config = load_settings(ROOT / "configs/demo.toml", RunConfig)
    options = {"federation.rounds": 2, "federation.min_sites": None, "server.fleet_port": 1234}
    changed = override(config, options)
    assert (changed.federation.rounds, changed.server.fleet_port) == (2, 1234)
    assert changed.federation.min_sites == config.federation.min_sites
    assert changed.training == config.training


def test_option_that_does_not_fit_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="fl-server: server has 9093 as fleet_port"):
        override(RunConfig(), {"server.fleet_port": 9093})
