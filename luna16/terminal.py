"""What the commands of ``luna16`` have in common: the option --verbose and the progress bar."""

import logging
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger("luna16")


def _on_verbose(is_verbose: bool) -> bool:  # noqa: FBT001 - typer calls it so
    logger.setLevel(logging.DEBUG if is_verbose else logging.INFO)
    return is_verbose


VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Show the traceback of an error.", callback=_on_verbose)
]


def open_progress() -> Progress:
    """Give a progress bar on stderr, which shows nothing where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
