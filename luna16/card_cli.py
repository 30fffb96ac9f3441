"""``luna16 card``: see what a site would tell the coordinator of its data."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

from luna16.terminal import JsonOption, VerboseOption, open_progress

EXIT_SET_ASIDE = 1


def card(
    root: Annotated[Path, typer.Argument()],
    patches: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the patches, as luna16 prepare cuts them. (default: a temporary one)",
        ),
    ] = None,
    subset: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="A subset to use; may be repeated. (default: all)"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The run's TOML file, whose data table says how patches are cut."),
    ] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the data card of ROOT: what a site tells of its data before a run. Nothing is sent.

    ROOT has the layout of LUNA16 and is not changed.

    Exit code 1: scans had to be set aside; the card is of the others.
    """
    from luna16.card_table import draw_card
    from luna16.config import DataConfig, check_settings, read_table
    from luna16.dataset import load_shard
    from luna16.shard_card import make_shard_card

    if patches and patches.resolve().is_relative_to(root.resolve()):
        raise click.UsageError(f"--patches {patches} lies in the data folder, which is not changed.")
    settings = read_table(config).get("data", {}) if config else {}
    data = check_settings(settings, DataConfig, source=str(config))
    with tempfile.TemporaryDirectory(prefix="luna16-card-") as folder, open_progress() as progress:
        bar = progress.add_task("Reading scans", total=None)
        shard = load_shard(
            root,
            patches or Path(folder),
            data,
            subsets=subset,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
        made = make_shard_card(root, shard, subsets=subset)
    for reason in shard.set_aside:
        typer.secho(f"Set aside: {reason}", fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps(made.to_json(), indent=2))
    else:
        Console(markup=False, emoji=False, highlight=False).print(draw_card(made))
    raise typer.Exit(EXIT_SET_ASIDE if shard.set_aside else 0)
