"""``luna16 verify``: check a data folder before it is used."""

import json
import os
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

from luna16.terminal import VerboseOption, open_progress

EXIT_FAULTS = 1


def verify_command(
    root: Annotated[Path, typer.Argument()],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, metavar="N", help="Scans to check at once. (default: one a core)"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write all of it as JSON to this file outside ROOT. It names scans by UID.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print that JSON, with its UIDs, instead of the table.")
    ] = False,
    verbose: VerboseOption = False,
) -> None:
    """Check every scan and table of the data set ROOT, which has the layout of LUNA16; it is not changed.

    Exit code 1 says that something is wrong with it.
    """
    from luna16.fault_table import show_report
    from luna16.verify import describe, verify, write_report

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


def _check_place(path: Path, root: Path) -> None:
    """Refuse a place for the report before the scans are read, which may take an hour."""
    if path.resolve().is_relative_to(root.resolve()):
        raise click.UsageError(
            f"--report {path} lies in the data folder, which is not changed. Name another."
        )
    if not path.parent.is_dir() or path.is_dir():
        raise click.UsageError(f"--report {path}: expected a file in a folder that exists.")
    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"--report {path}: its folder is read-only. Name another.")
