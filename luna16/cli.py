"""The command ``luna16``: work with LUNA16 data on one machine, without a federation."""

import logging
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import click
import typer

from luna16.card_cli import card
from luna16.compare_cli import compare
from luna16.detection.detect_all_cli import detect_all
from luna16.detection.detect_cli import detect
from luna16.evaluate_cli import evaluate_command
from luna16.prepare_cli import prepare
from luna16.shard_cli import shard
from luna16.terminal import VerboseOption, logger, open_progress
from luna16.train_cli import train
from luna16.verify_cli import verify_command

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def _on_version(is_asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if is_asked:
        typer.echo(f"fedluna {version('fedluna')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and stop.", callback=_on_version, is_eager=True)
]

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.command()(compare)
app.command()(card)
app.command()(detect)
app.command("detect-all")(detect_all)
app.command("evaluate")(evaluate_command)
app.command()(prepare)
app.command()(shard)
app.command()(train)
app.command("verify")(verify_command)


@app.callback()
def luna16(version: VersionOption = False) -> None:
    """Work with LUNA16 data on one machine, without a federation."""


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument()],
    sites: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Subset folders, each with its scanner.")
    ] = 3,
    scans_per_site: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Scans in each subset.")
    ] = 9,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same files.")] = 0,
    verbose: VerboseOption = False,
) -> None:
    """Write synthetic scans in the layout of LUNA16 into OUT, a new or empty folder; they show no patient."""
    from luna16.phantom import write_phantom

    with open_progress() as progress:
        bar = progress.add_task("Drawing scans", total=sites * scans_per_site)
        write_phantom(
            out,
            num_sites=sites,
            scans_per_site=scans_per_site,
            seed=seed,
            on_progress=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    typer.echo(f"Wrote {sites * scans_per_site} scans of {sites} sites into {out}.")


def main() -> NoReturn:
    """Run the command to its exit code; a known error is one line on stderr."""
    try:
        code = app(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ValueError, OSError) as error:
        _show_error(_explain(error))
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - the edge of the process: the text of a fault of ours may hold a UID
        _show_error(
            f"{_locate(error)}: this is a fault of luna16. Try --verbose, and report it without any UID."
        )
        sys.exit(EXIT_FAILED)
    sys.exit(code or 0)


def _show_error(line: str) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        traceback.print_exc()
    typer.secho(line, fg="red", err=True)


def _explain(error: ValueError | OSError) -> str:
    """Give our own text of an error; of one of the system its folder and reason, as a file may have a UID."""
    if not (isinstance(error, OSError) and error.strerror):
        return str(error)
    where = f"{Path(error.filename).parent}: " if isinstance(error.filename, str) else ""
    return f"{where}{error.strerror}. Check the disk and the rights, or name another folder."


def _locate(error: Exception) -> str:
    """Say which error broke out of which line of code."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
