"""``fl-server``: the coordinator conducts a run, keeps users and rows, and looks after itself."""

import os
import re
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fl_core.config import RunConfig, home_folder, load_settings, parse_settings
from fl_core.errors import ConfigError
from fl_core.findings import draw_findings, findings_to_json, has_fault
from fl_core.interruption import end_when_asked
from fl_core.processes import flower_environment
from fl_core.terminal import VerboseOption, VersionOption, run_command
from fl_server import store_cli
from fl_server.audit_cli import audit
from fl_server.comparisons_cli import comparisons
from fl_server.export_cli import export_model
from fl_server.home_lock import hold_home
from fl_server.init_cli import init
from fl_server.report_cli import report
from fl_server.resumption import Plan, find_cut_off, give_up, take_up, take_up_cut_off
from fl_server.runs_cli import find_run, runs
from fl_server.sites_cli import sites
from fl_server.users_cli import users
from fl_store.base import Store
from fl_store.connect import open_coordinator_store
from fl_store.run_rows import RunRow

RESULTS = {
    "best.safetensors": "Best model",
    "last.safetensors": "Last model",
    "history.json": "History",
    "report.html": "Report",
}

app = typer.Typer(add_completion=False)
app.command("init")(init)
app.add_typer(users, name="users")
app.add_typer(store_cli.app, name="store")
app.add_typer(runs, name="runs")
app.add_typer(sites, name="sites")
app.add_typer(comparisons, name="comparisons")
app.add_typer(audit, name="audit")
app.command("export")(export_model)
app.command("report")(report)


@app.callback(invoke_without_command=True)
def server(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The run's TOML file, such as configs/demo.toml.")
    ] = None,
    rounds: Annotated[
        str | None, typer.Option(help="Number of rounds, or with --resume also more, as +5.")
    ] = None,
    min_sites: Annotated[
        int | None, typer.Option(min=1, help="Sites to wait for. (default: as in the file)")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port for the sites. (default: as in the file)")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. (default: as in the file)")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="No TLS and no keys: for trials on this machine alone.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with this run, or with the 'last'.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new run, although one was cut off.")] = False,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Conduct one run: wait for the sites, train, and write every number down.

    A run that was cut off, by a power failure for one, goes on if it is started with its configuration.
    """
    if context.invoked_subcommand:
        return
    options = {
        "federation.rounds": None if resume else read_rounds(rounds, 0),
        "federation.min_sites": min_sites,
        "server.fleet_port": port,
        "server.host": host,
        "server.insecure": insecure or None,
    }
    run_config = read_run_config(config, options, resume)
    home = home_folder()
    end_when_asked()
    os.environ.update(flower_environment(home / "flower"))  # some of it is read when flwr is imported
    from fl_server.launch import launch_run

    console = Console()
    with hold_home(home), closing(open_coordinator_store(home)) as store:
        if run_config:
            plan = plan_run(store, home, run_config, is_new=new)
        else:
            plan = plan_resumption(store, home, str(resume), rounds)
        run = launch_run(plan, home, store, console)
    tell_results(run, home / "runs" / run.run_id, console)


def read_run_config(
    path: Path | None, options: dict[str, int | str | None], resume: str | None
) -> RunConfig | None:
    """Read what a run is to be; None if it is one that goes on, which has its own configuration."""
    if path is None and not resume:
        raise ConfigError("No configuration. Give --config FILE, such as configs/demo.toml.")
    if resume and (path or any(options.values())):
        raise ConfigError(f"Run {resume} goes on with its own configuration. Of options give --rounds only.")
    return override(load_settings(path, RunConfig), options) if path else None


def plan_run(store: Store, home: Path, config: RunConfig, *, is_new: bool) -> Plan:
    """Plan a new run, or one that was cut off and is to go on; UsageError if that is another one."""
    run = find_cut_off(store, home)
    if run and not is_new:
        return take_up_cut_off(store, run, config, home)
    if run:
        give_up(store, run)
    return Plan(config)


def plan_resumption(store: Store, home: Path, wanted: str, rounds: str | None) -> Plan:
    """Plan to go on with the run that is meant, with more rounds if they are given."""
    run = find_run(store, wanted)
    return take_up(store, run, home, read_rounds(rounds, run.num_rounds))


def tell_results(run: RunRow, folder: Path, console: Console) -> None:
    """Say why a run ended ahead of time, if it did, and where its files are."""
    if run.reason:
        told = f"Run {run.run_id} has ended before its last round: {run.reason}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    for name, title in RESULTS.items():
        if (folder / name).exists():  # a run that was stopped may have none yet
            console.print(f"{title:<11} {folder / name}", highlight=False, soft_wrap=True)


def read_rounds(text: str | None, before: int) -> int | None:
    """Return a number of rounds; ``+5`` is 5 more than ``before``, if there are any before."""
    if text is None:
        return None
    if not re.fullmatch(r"\+?[1-9][0-9]{0,5}" if before else r"[1-9][0-9]{0,5}", text):
        raise ConfigError(
            f"--rounds is {text!r}, expected a number from 1, or with --resume also +5 and such."
        )
    return before + int(text) if text.startswith("+") else int(text)


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option(help="The run's TOML file. [default: none]")] = None,
    json: Annotated[bool, typer.Option(help="Print the findings as JSON.")] = False,
) -> None:
    """Look at everything a run needs, and say what to do; exit code 1 if there is a fault."""
    from fl_server.doctor import examine

    findings = list(examine(config, home_folder()))
    if json:
        typer.echo(findings_to_json(findings))
    else:
        Console().print(draw_findings(findings))
    if has_fault(findings):
        raise typer.Exit(1)


def override(config: RunConfig, options: dict[str, int | str | None]) -> RunConfig:
    """Return ``config`` with the options that were given in place of its own values, all checked anew."""
    table = config.model_dump()
    for key, value in options.items():
        group, name = key.split(".")
        if value is not None:
            table[group][name] = value
    return parse_settings(table, RunConfig, source="fl-server")


def main() -> None:
    """Run ``fl-server``."""
    run_command(app)
