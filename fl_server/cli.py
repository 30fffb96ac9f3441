"""``fl-server``: the coordinator conducts a run, and keeps the users of the monitor."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fl_core.config import RunConfig, home_folder, load_settings, parse_settings
from fl_core.errors import AccountError, ConfigError
from fl_core.processes import flower_environment
from fl_core.terminal import VerboseOption, VersionOption, run_command
from fl_store import accounts
from fl_store.connect import open_store
from fl_store.rows import Role, UserRow

RESULTS = {
    "best.safetensors": "Best model",
    "last.safetensors": "Last model",
    "history.json": "History",
    "report.html": "Report",
}

app = typer.Typer(add_completion=False)
users = typer.Typer(help="Who may log in to the monitor.")
app.add_typer(users, name="users")


@app.callback(invoke_without_command=True)
def server(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The run's TOML file, such as configs/demo.toml.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Number of rounds. (default: as in the file)")
    ] = None,
    min_sites: Annotated[
        int | None, typer.Option(min=1, help="Sites to wait for. (default: as in the file)")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port for the sites. (default: as in the file)")
    ] = None,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Conduct one run: wait for the sites, train, and write every number down."""
    if context.invoked_subcommand:
        return
    if config is None:
        raise ConfigError("No configuration. Give --config FILE, such as configs/demo.toml.")
    options = {"federation.rounds": rounds, "federation.min_sites": min_sites, "server.fleet_port": port}
    run_config = override(load_settings(config, RunConfig), options)
    home = home_folder()
    os.environ.update(flower_environment(home / "flower"))  # some of it is read when flwr is imported
    from fl_server.launch import launch_run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    run = launch_run(run_config, home, open_store(home), console)
    folder = home / "runs" / run.run_id
    for name, title in RESULTS.items():
        console.print(f"{title:<11} {folder / name}", highlight=False, soft_wrap=True)


def override(config: RunConfig, options: dict[str, int | None]) -> RunConfig:
    """Return ``config`` with the options that were given in place of its own values, all checked anew."""
    table = config.model_dump()
    for key, value in options.items():
        group, name = key.split(".")
        if value is not None:
            table[group][name] = value
    return parse_settings(table, RunConfig, source="fl-server")


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="User name: a-z, 0-9, '.', '_' and '-'.")],
    role: Annotated[Role, typer.Option(help="What the user may see.")],
    site: Annotated[str | None, typer.Option(help="The site of a user with the role client.")] = None,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Add a user; the password is typed twice, or read from standard input."""
    store = open_store(home_folder())
    accounts.add_user(store, name, _read_password(is_piped=password_stdin), role=role, site=site)
    typer.echo(f"User '{name}' ({role}) may log in.")


@users.command("password")
def change_password(
    name: Annotated[str, typer.Argument(help="A known user.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Give a user another password."""
    accounts.set_password(open_store(home_folder()), name, _read_password(is_piped=password_stdin))
    typer.echo(f"User '{name}' has a new password.")


@users.command("list")
def list_users() -> None:
    """Show all users."""
    table = Table("user", "role", "site", "may log in")
    for user in open_store(home_folder()).get(UserRow):
        table.add_row(user.name, str(user.role), user.site or "-", "no" if user.is_disabled else "yes")
    Console().print(table)


def _read_password(*, is_piped: bool) -> str:
    if is_piped:
        try:
            return sys.stdin.readline().rstrip("\n")
        except UnicodeDecodeError as error:
            raise AccountError("The password on standard input is no UTF-8 text.") from error
    if not sys.stdin.isatty():
        raise AccountError("There is no terminal to type a password at. Give --password-stdin.")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt="Again")
    return password


def main() -> None:
    """Run ``fl-server``."""
    run_command(app)
