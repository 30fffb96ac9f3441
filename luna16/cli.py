"""The command ``luna16``: work with LUNA16 data on one machine, without a federation."""

import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from luna16.phantom import write_phantom

KNOWN_ERRORS = (ValueError, OSError)
USAGE_EXIT_CODE = 2
STOPPED_EXIT_CODE = 130

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(*, is_wanted: bool) -> None:
    if is_wanted:
        print(f"luna16 (fedluna {version('fedluna')})")
        raise typer.Exit


@app.callback()
def luna16(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", help="Add the traceback to an error.")] = False,
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Work with LUNA16 data on one machine, without a federation."""


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="New or empty folder to write the data set into.")],
    *,
    sites: Annotated[int, typer.Option(min=1, max=100, help="Number of subset folders, a scanner each.")] = 3,
    scans_per_site: Annotated[int, typer.Option(min=1, max=1000, help="Scans in each subset.")] = 9,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
) -> None:
    """Write a synthetic data set in LUNA16's layout; it holds no patient's data."""
    with _progress_bar() as progress:
        bar = progress.add_task("Drawing scans", total=sites * scans_per_site)
        write_phantom(
            out,
            num_sites=sites,
            scans_per_site=scans_per_site,
            seed=seed,
            on_progress=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    print(f"{sites * scans_per_site} scans of {sites} sites in {out}")


def main() -> None:
    """Run the command; a known error is one line on stderr and exit code 2, Ctrl-C is exit code 130."""
    try:
        app()
    except KNOWN_ERRORS as error:
        if "--verbose" in sys.argv:
            traceback.print_exc()
        print(f"luna16: {error}", file=sys.stderr)
        sys.exit(USAGE_EXIT_CODE)


def _progress_bar() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))
