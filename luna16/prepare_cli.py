"""``luna16 prepare``: cut the patches of a data set before anything trains on them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luna16.terminal import (
    EXIT_SET_ASIDE,
    CuttingOption,
    JsonOption,
    SubsetOption,
    VerboseOption,
    check_out,
    open_progress,
    show_log,
)

if TYPE_CHECKING:  # SimpleITK takes a while to import, and most commands need none
    from luna16.prepare import PreparedPatches


def prepare(
    root: Annotated[Path, typer.Argument()],
    out: Annotated[Path, typer.Argument()],
    subset: SubsetOption = None,
    config: CuttingOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, metavar="N", help="Scans to cut at once. (default: up to one a core)"),
    ] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Cut the patches of ROOT into OUT, so that training only reads them; fl-client would do it itself.

    ROOT has the layout of LUNA16 and is not changed. A site's OUT is FEDLUNA_HOME/sites/SITE/patches.

    It can be stopped at any time and goes on where it ended. Exit code 1: a scan had to be set aside.
    """
    from luna16.config import read_data_config
    from luna16.patch_plan import plan_patches
    from luna16.prepare import prepare_patches

    check_out(out, root)
    plan = plan_patches(root, read_data_config(config), subset)
    with open_progress() as progress, show_log(progress.console):
        bar = progress.add_task("Cutting patches", total=len(plan.files))
        prepared = prepare_patches(
            plan, out, num_jobs=jobs, on_progress=lambda done, _: progress.update(bar, completed=done)
        )
    typer.echo(json.dumps(_describe(prepared)) if as_json else _say(prepared))
    raise typer.Exit(EXIT_SET_ASIDE if prepared.set_aside else 0)


def _say(prepared: "PreparedPatches") -> str:
    from luna16.cache import show_bytes

    num_used = len(prepared.entries) - len(prepared.set_aside)
    what = f"{len(prepared.patches_hu)} patches of {num_used} scans, {show_bytes(prepared.patches_hu.nbytes)}"
    if prepared.was_ready:
        said = f"Nothing to do: {what}, lie in {prepared.folder}."
    else:
        said = f"Cut {what}, into {prepared.folder}."
    return f"{said} Scans set aside: {len(prepared.set_aside)}." if prepared.set_aside else said


def _describe(prepared: "PreparedPatches") -> dict[str, Any]:
    return {
        "folder": str(prepared.folder),
        "was_ready": prepared.was_ready,
        "num_scans": len(prepared.entries) - len(prepared.set_aside),
        "num_patches": len(prepared.patches_hu),
        "num_bytes": prepared.patches_hu.nbytes,
        "set_aside": list(prepared.set_aside.values()),
    }
