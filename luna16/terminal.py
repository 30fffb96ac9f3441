"""What the commands of ``luna16`` have in common: options, the progress bar and the log above it."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EXIT_SET_ASIDE = 1

logger = logging.getLogger("luna16")


def _on_verbose(is_verbose: bool) -> bool:  # noqa: FBT001 - typer calls it so
    logger.setLevel(logging.DEBUG if is_verbose else logging.INFO)
    return is_verbose


VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Show the traceback of an error.", callback=_on_verbose)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
SubsetOption = Annotated[
    list[int] | None,
    typer.Option(min=0, metavar="N", help="A subset to use; may be repeated. (default: all)"),
]
ValidationOnlyOption = Annotated[
    bool,
    typer.Option(
        "--validation-only",
        help="Only scans that training left out, if data and --subset are what it was given.",
    ),
]
CuttingOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The run's TOML file, whose data table says how patches are cut."),
]
DeviceOption = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:1.")]


def open_progress() -> Progress:
    """Give a progress bar on stderr, which shows nothing where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def check_out(out: Path, root: Path) -> None:
    """Raise a usage error if ``out`` lies in the data folder ``root``, in which nothing is changed."""
    if out.resolve().is_relative_to(root.resolve()):
        raise click.UsageError(f"OUT {out} lies in the data folder, which is not changed. Name another.")


@contextlib.contextmanager
def show_log(console: Console) -> Iterator[None]:
    """Print our log lines above the progress bar."""
    handler = _LinePrinter(console)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _LinePrinter(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)
