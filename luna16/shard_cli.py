"""``luna16 shard``: deal the scans of a data set out to sites, or check a shard that was made."""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Annotated

import click
import typer
from rich.console import Console

from luna16.recipe import By, Link, Recipe
from luna16.terminal import JsonOption, VerboseOption, open_progress

EXIT_DIFFERENT = 1

ByOption = Annotated[
    By,
    typer.Option(
        metavar="WAY",
        help="subset: whole subsets; scanner: all scans of a vendor; equal: equally many scans, with "
        "nodules and without; dirichlet: unlike sites.",
    ),
]
LinkOption = Annotated[
    Link,
    typer.Option(
        metavar="KIND",
        help="How a shard gets its scans: symlink, hard or copy. Only a copy can be carried elsewhere.",
    ),
]


def shard(
    root: Annotated[Path | None, typer.Argument()] = None,
    out: Annotated[Path | None, typer.Argument()] = None,
    sites: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Their names: north,east,south. (default by scanner: one for each vendor)"
        ),
    ] = "",
    by: ByOption = Recipe.by,
    scanner_csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A table with columns SeriesInstanceUID and Manufacturer. (default: ROOT's scanners.csv)",
        ),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option(metavar="X", help="For --by dirichlet: the smaller, the more unlike are the sites."),
    ] = Recipe.alpha,
    seed: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="For equal and dirichlet: the same seed deals the same scans."),
    ] = Recipe.seed,
    link: LinkOption = Recipe.link,
    force: Annotated[
        bool, typer.Option("--force", help="Add to the shards in OUT; replace those of the same name.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Instead: compare a shard, OUT/SITE, with its manifest."),
    ] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Deal the scans of ROOT out to sites: a folder OUT/SITE for each, as fl-client reads it.

    ROOT has the layout of LUNA16; OUT is a new or empty folder.

    Or check such a shard with --check OUT/SITE; exit code 1 says that it is not as its manifest says.
    """
    if check:
        if root or sites:
            raise click.UsageError("--check takes the folder of a shard, and neither ROOT, OUT nor --sites.")
        raise typer.Exit(_check(check, as_json=as_json))
    if root is None or out is None:
        raise click.UsageError("Missing argument 'ROOT' or 'OUT'; or name a shard to --check.")
    names = tuple(name.strip() for name in sites.split(",")) if sites else ()
    _shard(root, out, Recipe(names, by, link, alpha, seed), scanner_csv, replace=force, as_json=as_json)


def _shard(
    root: Path, out: Path, recipe: Recipe, scanner_csv: Path | None, *, replace: bool, as_json: bool
) -> None:
    from luna16.annotations import read_series_uids
    from luna16.inventory import read_inventory, read_scanners, read_vendors
    from luna16.shard import deal_scans
    from luna16.shard_folder import write_shards
    from luna16.shard_tables import draw_shards, to_json

    vendors = read_vendors(scanner_csv) if scanner_csv else read_scanners(root)
    if recipe.by is By.SCANNER and not vendors:
        raise click.UsageError(f"--by scanner needs --scanner-csv FILE, as {root} has no scanners.csv.")
    scans = read_inventory(root, vendors, needs_vendors=recipe.by is By.SCANNER)
    with open_progress() as progress:
        bar = progress.add_task("Making shards", total=len(scans))
        manifests = write_shards(
            root,
            out,
            deal_scans(scans, recipe),
            recipe,
            replace=replace,
            on_progress=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    if num_absent := len(set(read_series_uids(root))) - len(scans):
        typer.echo(f"{num_absent} scans of seriesuids.csv are not in {root}: no site has them.", err=True)
    if as_json:
        typer.echo(json.dumps([to_json(manifest) for manifest in manifests], indent=2))
    else:
        _make_console().print(draw_shards(manifests))
        data_root = shlex.quote(f"{out}/SITE")
        typer.echo(f"\nStart each site with its own: fl-client --site SITE --data-root {data_root}")


def _check(path: Path, *, as_json: bool) -> int:
    """Print how the shard differs from its manifest, and give the exit code."""
    from luna16.manifest import MANIFEST, check_shard
    from luna16.shard_tables import draw_differences

    folder = path.parent if path.name == MANIFEST else path
    with open_progress() as progress:
        bar = progress.add_task("Reading files", total=None)
        differences = check_shard(
            folder, lambda done, total: progress.update(bar, completed=done, total=total)
        )
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(difference) for difference in differences], indent=2))
    elif differences:
        _make_console().print(draw_differences(differences))
    else:
        typer.echo(f"The shard in {folder} is as its manifest says.")
    return EXIT_DIFFERENT if differences else 0


def _make_console() -> Console:
    return Console(markup=False, emoji=False, highlight=False)
