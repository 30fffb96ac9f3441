"""``fl-demo``: a whole federation on one machine, with synthetic scans.

It only starts the public commands as child processes, as people would at the coordinator and in each
hospital, so its source shows how the real thing is run; only without TLS and keys, as all is on this machine.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer
from rich.console import Console

from fl_core.errors import RunFailedError
from fl_core.interruption import end_when_asked
from fl_core.processes import ask_to_end, check_port_is_free, end_child, find_free_port, start_child
from fl_core.terminal import VerboseOption, VersionOption, run_command

CONFIG = Path(__file__).parents[1] / "configs" / "demo.toml"
COMMANDS = Path(sys.executable).parent
USER = "demo"
POLL_S = 0.2
SERVER_GRACE_S = 15.0
"""The coordinator ends children of its own first."""

app = typer.Typer(add_completion=False)
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Demo:
    """One demonstration: where its files lie, its size, and its ports."""

    folder: Path
    num_sites: int
    num_rounds: int
    scans_per_site: int
    port: int
    monitor_port: int

    @property
    def environment(self) -> dict[str, str]:
        """The environment of all children: a home of their own, and one thread for each site."""
        home = {"FEDLUNA_HOME": str(self.folder / "home")}
        return {"OMP_NUM_THREADS": "1", **os.environ, **home}

    def run(self, *command: str, typed: str | None = None) -> None:
        """Run a public command to its end; RunFailedError if it does not end well."""
        self._complete(command, input=typed)

    def read(self, *command: str) -> str:
        """Return what a public command prints."""
        return self._complete(command, stdout=subprocess.PIPE).stdout

    def _complete(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        full = [str(COMMANDS / command[0]), *command[1:]]
        done = subprocess.run(full, env=self.environment, text=True, check=False, **options)
        if done.returncode != 0:
            raise RunFailedError(f"`{' '.join(command[:2])}` ended with exit code {done.returncode}.")
        return done

    def start(self, *command: str, log_name: str) -> subprocess.Popen[bytes]:
        """Start a public command in the background; what it prints goes to a file."""
        return start_child(
            [str(COMMANDS / command[0]), *command[1:]],
            log_file=self.folder / log_name,
            env=self.environment,
        )


@app.command()
def demo(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = 5,
    sites: Annotated[int, typer.Option(min=1, max=20, help="Number of hospitals.")] = 3,
    scans_per_site: Annotated[int, typer.Option(min=2, help="Synthetic scans in each hospital.")] = 12,
    folder: Annotated[Path, typer.Option(help="Folder for scans, logs and results.")] = Path("demo-data"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for the sites.")] = 9092,
    monitor_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the monitor.")] = 8501,
    monitor: Annotated[bool, typer.Option(help="Start the monitor.")] = True,
    exit_when_done: Annotated[
        bool, typer.Option(help="Do not keep the monitor up at the end; so it is also without a terminal.")
    ] = False,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Train one model on the synthetic scans of several hospitals, all on this machine."""
    end_when_asked()
    this = Demo(folder.resolve(), sites, rounds, scans_per_site, port, monitor_port)
    check_port_is_free("127.0.0.1", port, setting="--port")
    with ExitStack() as children:
        if monitor:
            start_monitor(this, children)
        conduct_demo(this, write_scans(this))
        if monitor and not exit_when_done and sys.stdin.isatty():
            console.print("The monitor stays up; Ctrl-C ends it.")
            with suppress(KeyboardInterrupt):
                signal.pause()


def start_monitor(this: Demo, children: ExitStack) -> None:
    """Print how to log in, make the login, and start the monitor."""
    check_port_is_free("127.0.0.1", this.monitor_port, setting="--monitor-port")
    password = secrets.token_urlsafe(9)
    console.print(f"[bold]Monitor[/bold]   http://127.0.0.1:{this.monitor_port}")
    console.print(f"[bold]User[/bold]      {USER}\n[bold]Password[/bold]  {password}\n")
    known = json.loads(this.read("fl-server", "users", "list", "--json"))
    is_known = any(user["name"] == USER for user in known)
    task = ("password", USER) if is_known else ("add", USER, "--role", "server")
    this.run("fl-server", "users", *task, "--password-stdin", typed=password + "\n")
    child = this.start("fl-monitor", "--port", str(this.monitor_port), log_name="monitor.log")
    children.callback(end_child, child)


def write_scans(this: Demo) -> Path:
    """Return the folder of synthetic scans, writing them if an earlier demo has not."""
    folder = this.folder / f"scans-{this.num_sites}x{this.scans_per_site}"
    if not folder.exists():
        sizes = ("--sites", str(this.num_sites), "--scans-per-site", str(this.scans_per_site))
        this.run("luna16", "phantom", str(folder), *sizes)
    return folder


def conduct_demo(this: Demo, scans: Path) -> None:
    """Start the sites and the coordinator, and return when the coordinator is done."""
    with ExitStack() as children:
        sites = [start_site(this, number, scans, children) for number in range(this.num_sites)]
        command = [
            str(COMMANDS / "fl-server"),
            "--config",
            str(_write_config(this.folder)),
            "--insecure",
            "--new",
        ]
        command += [
            "--port",
            str(this.port),
            "--rounds",
            str(this.num_rounds),
            "--min-sites",
            str(this.num_sites),
        ]
        server = subprocess.Popen(command, env=this.environment, start_new_session=True)
        children.callback(end_child, server, grace_s=SERVER_GRACE_S)
        children.callback(ask_to_end, [*sites, server])  # before each is waited for
        while server.poll() is None:
            check_sites(this, sites)
            time.sleep(POLL_S)
    if server.returncode != 0:
        raise RunFailedError(f"The coordinator ended with exit code {server.returncode}.")


def _write_config(folder: Path) -> Path:
    """Write the demonstration's settings with a control port of its own, so that two can run at once."""
    table = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    table["server"] = {"control_port": find_free_port()}
    path = folder / CONFIG.name
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


def start_site(this: Demo, number: int, scans: Path, children: ExitStack) -> subprocess.Popen[bytes]:
    """Start hospital ``number``, which holds one subset of the scans."""
    name = site_name(number)
    child = this.start(
        "fl-client",
        *("--site", name, "--insecure", "--server", f"127.0.0.1:{this.port}"),
        *("--data-root", str(scans), "--subset", str(number)),
        log_name=f"{name}.log",
    )
    children.callback(end_child, child)
    return child


def check_sites(this: Demo, sites: list[subprocess.Popen[bytes]]) -> None:
    """Raise RunFailedError if a site has ended: it should stay until it is told to go."""
    for number, child in enumerate(sites):
        if child.poll() is not None:
            log_file = this.folder / f"{site_name(number)}.log"
            raise RunFailedError(
                f"Site '{site_name(number)}' ended (exit code {child.returncode}): {log_file}"
            )


def site_name(number: int) -> str:
    """Return the name of a hospital of the demo: a, b, c and so on."""
    return chr(ord("a") + number)


def main() -> None:
    """Run ``fl-demo``."""
    run_command(app)
