"""``luna16 card``: see what a site would tell the coordinator of its data."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

from luna16.terminal import (
    EXIT_SET_ASIDE,
    CuttingOption,
    JsonOption,
    SubsetOption,
    VerboseOption,
    open_progress,
)


def card(
    root: Annotated[Path, typer.Argument()],
    patches: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the patches, as luna16 prepare cuts them. (default: a temporary one)",
        ),
    ] = None,
    subset: SubsetOption = None,
    config: CuttingOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the data card of ROOT: what a site tells of its data before a run. Nothing is sent.

    ROOT has the layout of LUNA16 and is not changed.

    Exit code 1: scans had to be set aside; the card is of the others.
    """
    from luna16.card_table import draw_card
    from luna16.config import read_data_config
    from luna16.dataset import load_shard
    from luna16.shard_card import make_shard_card

    if patches and patches.resolve().is_relative_to(root.resolve()):
        raise click.UsageError(f"--patches {patches} lies in the data folder, which is not changed.")
    with tempfile.TemporaryDirectory(prefix="luna16-card-") as folder, open_progress() as progress:
        bar = progress.add_task("Reading scans", total=None)
        shard = load_shard(
            root,
            patches or Path(folder),
            read_data_config(config),
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
