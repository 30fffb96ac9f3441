"""``fl-server runs``: what this coordinator has trained, at the terminal and as files; and pause and stop."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from fl_core.config import home_folder
from fl_core.errors import UsageError
from fl_server.end_tables import draw_end
from fl_server.export import make_csv, make_json
from fl_server.history import make_history
from fl_server.home_lock import is_home_held
from fl_server.people import name_terminal_user
from fl_server.run_report import write_report
from fl_server.run_tables import RunSummary, draw_run_in_full, draw_runs
from fl_store.base import Store
from fl_store.connect import open_existing_store
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow, RunRequestRow, RunRow
from fl_store.words import RunRequest
from luna16.whole_files import written_whole

LAST = "last"
STDOUT = Path("-")
NUM_RUNS_NAMED = 3
ASKED = {
    RunRequest.PAUSE: "to rest before its next round",
    RunRequest.RESUME: "to go on",
    RunRequest.STOP: "to end at once",
}

KnownRun = Annotated[str, typer.Argument(help="Its id, the beginning of it that no other has, or 'last'.")]

runs = typer.Typer(help="Show, export, pause and stop the runs of this coordinator.", no_args_is_help=True)


class Format(StrEnum):
    """What a run is written as."""

    CSV = "csv"
    JSON = "json"
    HTML = "html"


@runs.command("list")
def list_runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    newest: Annotated[int | None, typer.Option(min=1, help="Only the newest so many. (default: all)")] = None,
) -> None:
    """Show all runs in brief, the newest last."""
    now = utc_now()
    with closing(open_existing_store(home_folder())) as store:
        found = [RunSummary.read(store, run) for run in store.get(RunRow, newest=newest)]
    with _standard_output() as output:
        if as_json:
            output.write(make_json([each.to_json(now) for each in found]))
        elif found:
            _make_console(output).print(draw_runs(found, now))
        else:
            output.write(f"No run yet in {home_folder()}. Start one: fl-server --config FILE\n")


@runs.command("show")
def show_run(run: str) -> None:
    """Show one run in full: its settings, rounds, sites, failures and checkpoints.

    RUN is its id, the beginning of it that no other has, or 'last'.
    """
    home = home_folder()
    with closing(open_existing_store(home)) as store:
        found = find_run(store, run)
        drawn = draw_run_in_full(store, found, utc_now())
        tables = draw_end(store, found.run_id, home / "runs" / found.run_id)
    with _standard_output() as output:
        console = _make_console(output)
        for each in (drawn, *tables):
            console.print(each)


@runs.command("export")
def export_run(
    run: str,
    file_format: Annotated[
        Format,
        typer.Option("--format", help="csv: the metrics; json: all of its history; html: the report."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file; - is standard output. (default: RUN.csv and so on)")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Write one run to a file, which is then there whole or not at all.

    RUN is its id, the beginning of it that no other has, or 'last'.
    """
    with closing(open_existing_store(home_folder())) as store:
        run_id = find_run(store, run).run_id
        if out == STDOUT:
            told = _make_text(store, run_id, file_format)
        else:
            path = choose_path(out or Path(f"{run_id}.{file_format}"), may_replace=force)
            _write_file(store, run_id, file_format, path)
            told = f"{path}\n"
    with _standard_output() as output:
        output.write(told)


@runs.command("pause")
def pause_run(run: KnownRun) -> None:
    """Let a run that goes on rest before its next round; the sites stay connected."""
    _ask(run, RunRequest.PAUSE)


@runs.command("resume")
def resume_run(run: KnownRun) -> None:
    """Let a run that rests go on."""
    _ask(run, RunRequest.RESUME)


@runs.command("stop")
def stop_run(run: KnownRun) -> None:
    """End a run at once; the model of its last whole round stays."""
    _ask(run, RunRequest.STOP)


def _ask(wanted: str, request: RunRequest) -> None:
    """Write what is asked of a run, which its process will see; UsageError if none goes on."""
    home = home_folder()
    with closing(open_existing_store(home)) as store:
        run = find_run(store, wanted)
        if run.state.is_over:
            raise UsageError(f"Run {run.run_id} is {run.state}: there is nothing to {request}.")
        if not is_home_held(home):  # it was killed, and could not say so
            raise UsageError(f"No fl-server conducts run {run.run_id}: there is nothing to {request}.")
        store.put([RunRequestRow(run.run_id, request, name_terminal_user(), utc_now())])
    typer.echo(f"Run {run.run_id} is asked {ASKED[request]}.")


def find_run(store: Store, wanted: str) -> RunRow:
    """Return the run that is meant: the last one, or the one whose id begins so; UsageError if none does."""
    known = store.get(RunRow)
    if wanted == LAST and known:
        return known[-1]
    found = [run for run in known if run.run_id.startswith(wanted)]
    exact = [run for run in found if run.run_id == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    newest = ", ".join(run.run_id for run in reversed((found or known)[-NUM_RUNS_NAMED:]))
    if found:
        raise UsageError(f"{len(found)} runs begin with '{wanted}'. The newest of them are: {newest}.")
    raise UsageError(f"There is no run '{wanted}'. The newest runs are: {newest or 'none yet'}.")


def choose_path(path: Path, *, may_replace: bool) -> Path:
    """Return the whole path of a file that can be written; UsageError if it cannot, or is there already."""
    whole = Path(os.path.realpath(path))
    try:
        if not whole.parent.is_dir():
            raise UsageError(f"Cannot write {path}: there is no folder {whole.parent}.")
        if not os.access(whole.parent, os.W_OK | os.X_OK):
            raise UsageError(f"Cannot write {path}: the folder {whole.parent} is not writable.")
        if whole.exists() and not whole.is_file():
            raise UsageError(f"Cannot write {path}: it is a folder or a device.")
        if whole.exists() and not may_replace:
            raise UsageError(f"{path} is there already. Give --force to replace it.")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error
    return whole


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all; UsageError if it cannot be written."""
    try:
        with written_whole(path) as (partial,):
            partial.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error


def _write_file(store: Store, run_id: str, file_format: Format, path: Path) -> None:
    if file_format is Format.HTML:
        write_report(run_id, home_folder(), path)
    else:
        write_whole(path, _make_text(store, run_id, file_format))


def _make_text(store: Store, run_id: str, file_format: Format) -> str:
    match file_format:
        case Format.CSV:
            return make_csv(store.get(MetricRow, run_id=run_id))
        case Format.JSON:
            return make_json(make_history(store, run_id))
        case Format.HTML:
            raise UsageError("The report is a file of its own. Give --out FILE, not '-'.")


def _make_console(output: TextIO) -> Console:
    """Return a terminal that shows text as it is written, be it what a site gave as its reason."""
    return Console(file=output, markup=False, emoji=False, highlight=False)


@contextmanager
def _standard_output() -> Iterator[TextIO]:
    """Give standard output; a letter that it lacks is a question mark, and a full disk is one line."""
    output: TextIO = sys.stdout or io.StringIO()  # there is none where it was closed
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors="replace")
    try:
        yield output
        output.flush()
    except BrokenPipeError:  # whoever reads it has read enough
        raise
    except OSError as error:
        raise UsageError(f"Cannot write to standard output: {error.strerror}.") from error
