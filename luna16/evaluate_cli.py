"""``luna16 evaluate``: score a model on a data set and write the challenge's table of marks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from luna16.terminal import (
    EXIT_SET_ASIDE,
    DeviceOption,
    JsonOption,
    SubsetOption,
    ValidationOnlyOption,
    VerboseOption,
    open_progress,
)

if TYPE_CHECKING:  # it takes a while to import, and most commands need none of it
    from luna16.score_report import ScoreReport


def evaluate_command(
    model: Annotated[
        Path, typer.Option(metavar="FILE", help="Model file (.safetensors); its .json lies beside it.")
    ],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Data set in the layout of LUNA16.")],
    subset: SubsetOption = None,
    validation_only: ValidationOnlyOption = False,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Table of marks to write; it holds scan UIDs.")
    ] = Path("submission.csv"),
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same intervals.")
    ] = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Score a model by the rules of LUNA16, and write its marks for the challenge's own script.

    Exit code 1 says that scans were set aside because they cannot be used; the score is of the others.
    """
    from luna16.checkpoint import load_checkpoint
    from luna16.model import select_device
    from luna16.scan import find_listed_scans
    from luna16.score_report import make_report
    from luna16.scoring import keep_validation, score_data_set
    from luna16.submission import check_is_free, write_submission

    check_is_free(out)
    checkpoint = load_checkpoint(model)
    files = find_listed_scans(data, subset)
    files = keep_validation(files, checkpoint) if validation_only else files
    with open_progress() as progress:
        bar = progress.add_task("Scoring scans", total=len(files))
        scored = score_data_set(
            checkpoint,
            data,
            files,
            device=select_device(device),
            on_scan=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    _show(make_report(scored.scans, seed=seed), scored.set_aside, as_json=as_json)
    write_submission(out, scored.candidates, scored.logits)  # last: the score is told if the disk is full
    typer.echo(f"Wrote {len(scored.candidates)} marks to {out}.", err=True)
    if scored.set_aside:
        raise typer.Exit(EXIT_SET_ASIDE)


def _show(report: "ScoreReport", set_aside: Sequence[str], *, as_json: bool) -> None:
    from luna16.score_report import draw_report

    for reason in set_aside:
        typer.secho(f"Set aside: {reason}", fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps({**report.to_json(), "num_set_aside": len(set_aside)}, indent=2))
    else:
        Console(markup=False, emoji=False, highlight=False).print(draw_report(report))
