import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fl_store.accounts import add_user, check_password, find_user, get_user
from fl_store.rows import SiteRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

PASSWORD = "correct horse"
ADD_ANNA = ("add", "anna", "--role", "analyst")
PIPED_ANNA = (*ADD_ANNA, "--password-stdin")
PIPED_NORA = ("add", "nora", "--role", "client", "--site", "north", "--password-stdin")

PROMPT = "Password (at least 10 characters): "
END_OF_INPUT = "\x04"

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store of the test be the coordinator's, and the terminal be narrow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(run_fl_server: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs ``fl-server users`` and returns its exit code."""

    def run_users(*arguments: str, piped: bytes | None = b"") -> int:
        stdin = None if piped is None else io.TextIOWrapper(io.BytesIO(piped))
        monkeypatch.setattr(sys, "stdin", stdin)
        return run_fl_server("users", *arguments)

    return run_users


def test_user_added_with_a_piped_password_may_log_in(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*PIPED_ANNA, piped=PASSWORD.encode()) == 0
    assert check_password(store, "anna", PASSWORD)
    assert capsys.readouterr() == ("User 'anna' (analyst) may log in.\n", "")


@pytest.mark.parametrize(
    "piped",
    [
        b"k\xc3\xa4se und brot\n",
        b"k\xc3\xa4se und brot\r\n",
        b"\xef\xbb\xbfk\xc3\xa4se und brot\r\n",
        b"k\xc3\xa4se und brot\nmore",
    ],
)
def test_password_is_the_first_line_without_its_end(run: Run, store: SqliteStore, piped: bytes) -> None:
    assert run(*PIPED_ANNA, piped=piped) == 0
    assert check_password(store, "anna", "käse und brot")


@pytest.mark.parametrize(
    ("arguments", "piped", "words"),
    [
        (PIPED_ANNA, None, "There is no terminal to type a password at."),
        (PIPED_ANNA, b"", "Standard input holds no password: its first line is empty."),
        (PIPED_ANNA, b"\r\n", "Standard input holds no password: its first line is empty."),
        (PIPED_ANNA, b"\xff\xfek\x00e\x00t\x00t\x00l\x00e\x00", "The password is no UTF-8 text."),
        (PIPED_ANNA, b"short\n", "The password has 5 characters, expected at least 10."),
        (ADD_ANNA, b"", "There is no terminal to type a password at. Give --password-stdin."),
        (("list", "--json", "anna"), b"", "unexpected extra argument"),
        (("add", "anna", "--role", "boss"), b"", "'boss' is not one of"),
        (("add", "Anna", "--role", "server"), b"", "User name 'Anna' is not accepted"),
        (
            ("add", "anna", "--role", "client"),
            b"",
            "Role 'client' needs the name of its site (--site NAME at a terminal).",
        ),
        (("role", "bob", "client"), b"", "Role 'client' needs the name"),
    ],
)
def test_wrong_use_is_told_and_has_exit_code_2(
    run: Run, arguments: tuple[str, ...], piped: bytes | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, piped=piped) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("disable", "bob"), ("enable", "bob"), ("role", "bob", "server"), ("password", "bob")]
)
def test_unknown_user_is_one_line_before_a_password_is_asked_for(
    run: Run, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err == "There is no user 'bob'. `fl-server users list` shows all.\n"


def test_known_name_is_refused_before_a_password_is_asked_for(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    assert run(*ADD_ANNA) == 2
    assert capsys.readouterr().err == "User 'anna' exists already.\n"


def type_at_terminal(*arguments: str, typed: list[str]) -> tuple[int, str]:
    """Run ``fl-server users`` at a terminal, answer its prompts, and return exit code and screen."""
    screen, terminal = pty.openpty()
    command = [Path(sys.executable).with_name("fl-server"), "users", *arguments]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as child:
        os.close(terminal)
        shown = b"".join(answer_prompt(screen, line) for line in typed)
        with suppress(OSError):  # how Linux says that the other side is closed
            while True:
                shown += os.read(screen, 1024)
    os.close(screen)
    return child.returncode, shown.decode()


def answer_prompt(screen: int, line: str) -> bytes:
    shown = b""
    while not shown.endswith(b": "):
        shown += os.read(screen, 1)
    os.write(screen, line.encode())
    return shown


def test_password_typed_twice_is_not_shown(store: SqliteStore) -> None:
    code, screen = type_at_terminal(*ADD_ANNA, typed=["käse und brot\n"] * 2)
    assert (code, screen.splitlines()) == (0, [PROMPT, "Again: ", "User 'anna' (analyst) may log in."])
    assert check_password(store, "anna", "käse und brot")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["blue kettle 47\n", "blue kettle 48\n"], "The two passwords differ."),
        (["\n", "\n"], "The password has 0 characters, expected at least 10."),
        ([END_OF_INPUT], "No password was typed."),
    ],
)
def test_mistyped_password_changes_nothing(store: SqliteStore, typed: list[str], words: str) -> None:
    code, screen = type_at_terminal(*ADD_ANNA, typed=typed)
    assert (code, find_user(store, "anna")) == (2, None)
    assert words in screen.splitlines()[-1]


def test_password_is_not_shown_at_a_terminal_even_if_it_should_be_piped(store: SqliteStore) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    code, screen = type_at_terminal("password", "anna", "--password-stdin", typed=["blue kettle 47\n"] * 2)
    assert (code, screen.splitlines()) == (0, [PROMPT, "Again: ", "User 'anna' has a new password."])


def test_client_of_a_site_that_has_not_joined_is_added_with_a_warning(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*PIPED_NORA, piped=PASSWORD.encode()) == 0
    assert get_user(store, "nora").site == "north"
    told = capsys.readouterr()
    assert told.out == "User 'nora' (client of north) may log in.\n"
    assert told.err == "Warning: No site 'north' has joined yet.\n"


def test_client_of_a_known_site_is_added_without_a_warning(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    now = utc_now()
    store.put([SiteRow("north", "1", 3, 1, first_seen_at=now, joined_at=now)])
    assert run(*PIPED_NORA, piped=PASSWORD.encode()) == 0
    assert capsys.readouterr().err == ""


def test_password_can_be_changed(run: Run, store: SqliteStore) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert run("password", "anna", "--password-stdin", piped=b"another password") == 0
    assert check_password(store, "anna", "another password")
    assert check_password(store, "anna", PASSWORD) is None


def test_user_is_disabled_and_enabled(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    assert run("disable", "nora") == 0
    assert check_password(store, "nora", PASSWORD) is None
    assert run("enable", "nora") == 0
    assert check_password(store, "nora", PASSWORD)
    may_not, may = (
        "User 'nora' (client of north) may not log in.",
        "User 'nora' (client of north) may log in.",
    )
    assert capsys.readouterr() == (f"{may_not}\n{may}\n", "")


def test_role_is_changed(run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    assert run("role", "nora", "client", "--site", "south") == 0
    assert get_user(store, "nora").site == "south"
    assert run("role", "nora", "analyst") == 0
    assert (get_user(store, "nora").role, get_user(store, "nora").site) == (Role.ANALYST, None)
    assert capsys.readouterr().err == "Warning: No site 'south' has joined yet.\n"


@pytest.mark.parametrize("arguments", [("disable", "anna"), ("role", "anna", "analyst")])
def test_loss_of_the_last_server_user_is_a_warning(
    run: Run, store: SqliteStore, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    add_user(store, "bob", PASSWORD, role=Role.SERVER)
    assert run("disable", "bob") == 0
    assert capsys.readouterr().err == ""
    assert run(*arguments) == 0
    assert capsys.readouterr().err == "Warning: No user with the role server may log in now.\n"


def test_list_fits_80_columns_and_shows_names_in_full(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    add_user(store, "a" * 31 + "z", PASSWORD, role=Role.CLIENT, site="n" * 31 + "h")
    run("disable", "a" * 31 + "z")
    capsys.readouterr()
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).replace("│", " ").split()
    assert words.count("no") == 1
    assert "".join(words).count("a" * 16) == 1


def test_list_shows_role_site_and_last_change_without_hashes(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    nora = add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    assert run("list") == 0
    row = capsys.readouterr().out.splitlines()[3]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["nora", "client", "north", "yes", f"{nora.changed_at:%Y-%m-%d %H:%M}"]


def test_list_for_scripts_is_json_without_hashes(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    nora = add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    assert run("list", "--json") == 0
    at = nora.created_at.isoformat()
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "nora",
            "role": "client",
            "site": "north",
            "is_disabled": False,
            "created_at": at,
            "changed_at": at,
        }
    ]


def test_list_without_users_says_where_and_how_to_add_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert capsys.readouterr().out == (
        f"No user yet in {tmp_path}. Add one: fl-server users add NAME --role server\n"
    )
    assert run("list", "--json") == 0
    assert capsys.readouterr().out == "[]\n"
