"""``fl-server users``: who may log in to the monitor.

No command takes a password as an argument, where other users of the machine could read it.
"""

import getpass
import json
import sys
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from fl_core.config import home_folder
from fl_core.errors import AccountError
from fl_server.people import name_terminal_user
from fl_store import accounts
from fl_store.base import Store
from fl_store.connect import open_store
from fl_store.rows import EventRow, SiteRow, UserRow
from fl_store.words import Role

users = typer.Typer(help="Who may log in to the monitor.", no_args_is_help=True)

KnownUser = Annotated[str, typer.Argument(help="A known user.")]
SiteOption = Annotated[str | None, typer.Option(help="The site of a user with the role client.")]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="User name: a-z, 0-9, '.', '_' and '-'.")],
    role: Annotated[Role, typer.Option(help="What the user may see.")],
    site: SiteOption = None,
    password_stdin: PasswordStdinOption = False,
) -> None:
    """Add a user; the password is typed twice, or read from standard input."""
    with _open_store() as store:
        accounts.check_new_user(store, name, role=role, site=site)
        password = _read_password(is_piped=password_stdin)
        _tell_user(store, accounts.add_user(store, name, password, role=role, site=site))
        _warn_of_unknown_site(store, site)


@users.command("list")
def list_users(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show all users."""
    with _open_store() as store:
        found = store.get(UserRow)
    if as_json:
        typer.echo(json.dumps([_json_of(user) for user in found], indent=2))
    elif found:
        Console().print(_table_of(found))
    else:
        typer.echo(f"No user yet in {home_folder()}. Add one: fl-server users add NAME --role server")


@users.command("disable")
def disable_user(name: KnownUser) -> None:
    """Shut a user out, at once."""
    with _open_store() as store:
        _tell_user(store, accounts.set_disabled(store, name, is_disabled=True))
        _warn_without_server(store)


@users.command("enable")
def enable_user(name: KnownUser) -> None:
    """Let a disabled user in again, with the password of before."""
    with _open_store() as store:
        _tell_user(store, accounts.set_disabled(store, name, is_disabled=False))


@users.command("role")
def change_role(
    name: KnownUser,
    role: Annotated[Role, typer.Argument(help="What the user may see from now on.")],
    site: SiteOption = None,
) -> None:
    """Give a user another role, or a client another site."""
    with _open_store() as store:
        _tell_user(store, accounts.set_role(store, name, role, site))
        _warn_of_unknown_site(store, site)
        _warn_without_server(store)


@users.command("password")
def change_password(name: KnownUser, password_stdin: PasswordStdinOption = False) -> None:
    """Give a user another password; it is typed twice, or read from standard input."""
    with _open_store() as store:
        accounts.get_user(store, name)
        accounts.set_password(store, name, _read_password(is_piped=password_stdin))
        _tell(store, f"User '{name}' has a new password.")


def _open_store() -> closing[Store]:
    return closing(open_store(home_folder(), copies_changes=True))


def _read_password(*, is_piped: bool) -> str:
    if not sys.stdin or not (is_piped or sys.stdin.isatty()):  # none at all where it is closed
        raise AccountError("There is no terminal to type a password at. Give --password-stdin.")
    try:
        return _type_twice() if sys.stdin.isatty() else _read_line()
    except UnicodeDecodeError as error:
        raise AccountError("The password is no UTF-8 text.") from error


def _type_twice() -> str:
    try:
        password = getpass.getpass(f"Password (at least {accounts.MIN_PASSWORD_LENGTH} characters): ")
        again = getpass.getpass("Again: ")
    except EOFError as error:
        typer.echo(err=True)  # the prompt left its line open
        raise AccountError("No password was typed.") from error
    if password != again:
        raise AccountError("The two passwords differ.")
    return password


def _read_line() -> str:
    """Return the first line of standard input, be it of Unix or Windows, whatever the locale."""
    password = sys.stdin.buffer.readline().decode("utf-8-sig").rstrip("\r\n")
    if not password:
        raise AccountError("Standard input holds no password: its first line is empty.")
    return password


def _tell_user(store: Store, user: UserRow) -> None:
    role = f"{user.role} of {user.site}" if user.site else user.role
    may = "may not log in" if user.is_disabled else "may log in"
    _tell(store, f"User '{user.name}' ({role}) {may}.")


def _tell(store: Store, text: str) -> None:
    """Say what was done, and write it down with who did it."""
    store.put([EventRow("admin", text, user=name_terminal_user())])
    typer.echo(text)


def _warn_of_unknown_site(store: Store, site: str | None) -> None:
    if site and not store.get(SiteRow, site=site):
        _warn(f"No site '{site}' has joined yet.")


def _warn_without_server(store: Store) -> None:
    """Warn only: a stolen account must be shut at once, and who has this command can add another."""
    if not store.get(UserRow, role=Role.SERVER, is_disabled=False):
        _warn("No user with the role server may log in now.")


def _warn(text: str) -> None:
    typer.secho(f"Warning: {text}", fg="yellow", err=True)


def _json_of(user: UserRow) -> dict[str, str | bool | None]:
    return {
        "name": user.name,
        "role": user.role,
        "site": user.site,
        "is_disabled": user.is_disabled,
        "created_at": user.created_at.isoformat(),
        "changed_at": user.changed_at.isoformat(),
    }


def _table_of(found: list[UserRow]) -> Table:
    columns = ("user", "role", "site", "may log in", "last changed UTC")
    table = Table(*(Column(title, overflow="fold") for title in columns))
    for user in found:
        may_log_in = "no" if user.is_disabled else "yes"
        changed = f"{user.changed_at:%Y-%m-%d %H:%M}"
        table.add_row(user.name, user.role, user.site or "-", may_log_in, changed)
    return table
