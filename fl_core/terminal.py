"""The edge of every console command: logging, one line for a known error, and the exit codes."""

import logging
import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import click
import typer
from dotenv import load_dotenv

from fl_core.errors import FedLunaError
from fl_core.interruption import EXIT_INTERRUPTED, kill_descendants

OUR_PACKAGES = ("luna16", "fl_core", "fl_store", "fl_client", "fl_server", "fl_monitor")


def run_command(app: typer.Typer) -> NoReturn:
    """Run a console command to its exit code; a known error is one line on stderr.

    Settings and secrets in ``.env`` in the working folder become part of the environment, which wins.
    """
    load_dotenv(Path(".env"))
    _keep_proxy_off_this_machine()
    app.pretty_exceptions_show_locals = False  # one may be a password
    try:
        code = app(standalone_mode=False)
    except click.Abort:
        kill_descendants()  # one that was interrupted while it was started belongs to nobody
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FedLunaError as error:
        if logging.getLogger("fl_core").isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        typer.secho(str(error), fg="red", err=True)
        sys.exit(error.exit_code)
    sys.exit(code or 0)


def _keep_proxy_off_this_machine() -> None:
    """Let our processes speak to each other directly, also where a hospital's proxy is the way out."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [*os.environ.get(name, "").split(","), "127.0.0.1", "localhost"]
        os.environ[name] = ",".join(dict.fromkeys(host for host in hosts if host))


class TerminalLog(logging.StreamHandler[TextIO]):
    """Writes to what stderr is at the moment: a moving display stands in for it, and is not torn apart.

    What the person was shown in other words is left out.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if not getattr(record, "is_said", False):
            self.stream = sys.stderr
            super().emit(record)


def start_logging(*, is_verbose: bool, handler: logging.Handler | None = None) -> None:
    """Send our log lines to stderr or a handler: from INFO, or all of them; of libraries, warnings only.

    Flower is quiet unless all is asked for: it tells every retry, which we say in our own words.
    """
    logging.basicConfig(
        handlers=[handler or TerminalLog()],
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    for package in OUR_PACKAGES:
        logging.getLogger(package).setLevel(logging.DEBUG if is_verbose else logging.INFO)
    logging.getLogger("flwr").disabled = not is_verbose


def _on_verbose(is_verbose: bool) -> bool:  # noqa: FBT001 - typer calls it so
    start_logging(is_verbose=is_verbose)
    return is_verbose


def _on_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        typer.echo(f"fedluna {version('fedluna')}")
        raise typer.Exit


VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", help="Log more, and show the traceback of an error.", callback=_on_verbose),
]
VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and stop.", callback=_on_version, is_eager=True)
]
