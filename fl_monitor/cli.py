"""``fl-monitor``: serve the monitor, or write the report of one run."""

import contextlib
import errno
import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from fl_core.config import home_folder
from fl_core.errors import AddressInUseError, StoreUnavailableError, UsageError
from fl_core.terminal import VerboseOption, VersionOption, run_command
from fl_monitor.scan_limits import KEEP_HOURS, MEMORY_GB, SEARCH_MINUTES, SPACE_GB
from fl_store.base import Store
from fl_store.connect import open_local_store, open_supabase
from fl_store.mirrored import MonitorStore
from fl_store.rows import UserRow
from fl_store.run_rows import RunRow
from fl_store.sqlite import FILE_NAME

app = typer.Typer(add_completion=False, invoke_without_command=True)

PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
HomeOption = Annotated[
    Path | None, typer.Option(help="The coordinator's folder. [default: $FEDLUNA_HOME or fedluna-data]")
]

KeepOption = Annotated[
    float, typer.Option(envvar=KEEP_HOURS, help="Hours that a scan is kept after the last look.")
]
SpaceOption = Annotated[float, typer.Option(envvar=SPACE_GB, help="GB that all scans may take.")]
MinutesOption = Annotated[float, typer.Option(envvar=SEARCH_MINUTES, help="Minutes that a search may take.")]
MemoryOption = Annotated[float, typer.Option(envvar=MEMORY_GB, help="GB of memory that a search may take.")]

STREAMLIT_SETTINGS = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "logger.hideWelcomeMessage": True,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.light.primaryColor": "#0f766e",
    "theme.dark.primaryColor": "#0d8577",
}
"""What would stand in .streamlit/config.toml, if users had one where they start us."""


@app.callback()
def start(
    context: typer.Context,
    port: PortOption = 8501,
    host: HostOption = "127.0.0.1",
    home: HomeOption = None,
    scan_keep_hours: KeepOption = 24,
    scan_space_gb: SpaceOption = 20,
    scan_minutes: MinutesOption = 20,
    scan_memory_gb: MemoryOption = 8,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Show runs of the federation live in the browser, behind a login."""
    _choose_home(home)
    amounts = (scan_keep_hours, scan_space_gb, scan_minutes, scan_memory_gb)
    for name, amount in zip((KEEP_HOURS, SPACE_GB, SEARCH_MINUTES, MEMORY_GB), amounts, strict=True):
        os.environ[name] = str(amount)
    if context.invoked_subcommand is None:
        serve(host, port)


@app.command()
def report(run_id: str, out: Path, home: HomeOption = None) -> None:
    """Write the report of one run as a single HTML file."""
    from fl_monitor.report import write_report

    _choose_home(home)
    with contextlib.closing(_open_runs(home_folder())) as store:
        write_report(store, run_id, out)
    typer.echo(out)


def _open_runs(folder: Path) -> Store:
    """Open the store that has the runs: the coordinator's in ``folder``, or else Supabase.

    Raises UsageError if there is neither.
    """
    if (folder / FILE_NAME).is_file():
        local = open_local_store(folder)
        if local.get(RunRow, newest=1):
            return local
        local.close()
    remote = open_supabase()
    if remote is None:
        raise UsageError(
            f"{folder} holds no run. Name the coordinator's folder with --home, or set SUPABASE_URL and "
            "SUPABASE_KEY to read from Supabase."
        )
    return remote


def _choose_home(home: Path | None) -> None:
    if home:
        os.environ["FEDLUNA_HOME"] = str(home)


def serve(host: str, port: int) -> None:
    """Serve the monitor until Ctrl-C.

    Raises AddressInUseError if the port is taken, and StoreError if the store cannot be used.
    """
    from fl_monitor.service import service_of

    check_port(host, port)
    _greet(host, port, service_of(home_folder()).store)
    from monitor_app import app as monitor_app

    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno >= logging.WARNING)
    monitor_app.run(config=STREAMLIT_SETTINGS | {"server.address": host, "server.port": port})


def check_port(host: str, port: int) -> None:
    """Raise AddressInUseError if another process listens there, and UsageError if it is not ours to use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise UsageError(f"--host {host} is not an address of this machine.") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUseError(
                    f"Port {port} on {host} is in use. Stop the other process or choose another --port."
                ) from error
            raise UsageError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error


def _greet(host: str, port: int, store: Store) -> None:
    """Say what the monitor reads, what stands in its way, and where it is."""
    typer.echo(f"Reads {_source_of(store)}.")
    try:
        store.get(RunRow, newest=1)
    except StoreUnavailableError as error:
        _warn(f"{error} The page shows its rows once it can be read.")
    if not store.get(UserRow, newest=1):
        typer.echo(
            "No user is known here yet. Add one on the coordinator: fl-server users add NAME --role server"
        )
    if not _is_loopback(host):
        _warn(f"{host} is reached over plain HTTP. Put a reverse proxy with TLS in front of it.")
    name = f"[{host}]" if ":" in host else host
    typer.echo(f"Monitor: http://{name}:{port}  (Ctrl-C ends it)")


def _warn(text: str) -> None:
    typer.secho(f"Warning: {text}", fg="yellow", err=True)


def _source_of(store: Store) -> str:
    if isinstance(store, MonitorStore) and store.reads_supabase:
        return f"Supabase at {urlsplit(os.environ['SUPABASE_URL']).netloc}"
    return f"the store in {home_folder()}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> None:
    """Run ``fl-monitor``."""
    run_command(app)
