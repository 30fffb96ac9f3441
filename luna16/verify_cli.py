"""``luna16 verify``: check a data folder and show what is wrong with it, by kind."""

import json
from pathlib import Path
from typing import Annotated

import click
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from luna16.faults import Fault
from luna16.terminal import VerboseOption, open_progress
from luna16.verify import Report, describe, verify, write_report

EXIT_FAULTS = 1


def verify_command(
    root: Annotated[Path, typer.Argument(help="Data set in the layout of LUNA16. Nothing in it is changed.")],
    jobs: Annotated[
        int | None, typer.Option(min=1, max=256, help="Scans to check at once. (default: one a core)")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write all of it as JSON to this file outside ROOT. It names scans by UID."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print that JSON, with its UIDs, instead of the table.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Check every scan and table of a data set. Exit code 1 says that something is wrong with it."""
    if report:
        _check_place(report, root)
    with open_progress() as progress:
        bar = progress.add_task("Checking scans", total=None)
        found = verify(
            root,
            num_jobs=jobs,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    if report:
        write_report(found, report)
    if as_json:
        typer.echo(json.dumps(describe(found), indent=1))
    else:
        show_report(found, Console())
    raise typer.Exit(EXIT_FAULTS if found.faults else 0)


def show_report(report: Report, console: Console) -> None:
    """Print the faults by kind, then the sums; no line names a scan by its UID."""
    if report.faults:
        console.print(draw_faults(report.faults))
    for note in report.notes:
        console.print(Text(f"Note: {note}"))
    rows = ", ".join(f"{number} rows of {name}" for name, number in report.num_rows.items())
    console.print(Text(f"Checked {len(report.scans)} scans and {rows}."))
    if report.set_aside:
        console.print(Text(f"{len(report.sound)} scans are sound; set aside: {len(report.set_aside)}."))
    elif report.faults:
        console.print(Text("All scans are sound, but something else is wrong."))
    else:
        console.print(Text("All is sound."))


def draw_faults(faults: tuple[Fault, ...]) -> Table:
    """Give a table with a row a kind: how many there are, the first of them, and what to do."""
    table = Table("what is wrong", "number", "for example, and what to do", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for kind in dict.fromkeys(fault.kind for fault in faults):
        found = [fault for fault in faults if fault.kind is kind]
        text = Text(f"{found[0].place}: {found[0].detail}\n").append(kind.advice, style="bold")
        table.add_row(Text(kind.title), str(len(found)), text)
    return table


def _check_place(path: Path, root: Path) -> None:
    """Refuse a place for the report before the scans are read, which may take an hour."""
    if path.resolve().is_relative_to(root.resolve()):
        raise click.UsageError(
            f"--report {path} lies in the data folder, which is not changed. Name another."
        )
    if not path.parent.is_dir() or path.is_dir():
        raise click.UsageError(f"--report {path}: expected a file in a folder that exists.")
