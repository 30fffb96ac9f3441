"""``luna16 evaluate``: score a model on a data set and write the challenge's table of marks."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from luna16.terminal import VerboseOption, open_progress

EXIT_SET_ASIDE = 1


def evaluate_command(
    model: Annotated[
        Path, typer.Option(metavar="FILE", help="Model file (.safetensors); its .json lies beside it.")
    ],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Data set in the layout of LUNA16.")],
    subset: Annotated[
        list[int] | None,
        typer.Option(min=0, metavar="N", help="Only this subset; may be given again. (default: all)"),
    ] = None,
    validation_only: Annotated[
        bool, typer.Option("--validation-only", help="Only scans that a site of this data does not train on.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Table of marks to write; it holds scan UIDs.")
    ] = Path("submission.csv"),
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="The same seed gives the same intervals.")
    ] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:1.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Score a model by the rules of LUNA16, and write its marks for the challenge's own script.

    Exit code 1 says that scans were set aside because they cannot be used; the score is of the others.
    """
    from luna16.checkpoint import load_checkpoint
    from luna16.model import select_device
    from luna16.score_report import draw_report, make_report
    from luna16.scoring import find_files, score_data_set
    from luna16.submission import check_is_free, write_submission

    check_is_free(out)
    checkpoint = load_checkpoint(model)
    files = find_files(data, subset, checkpoint.data if validation_only else None)
    with open_progress() as progress:
        bar = progress.add_task("Scoring scans", total=len(files))
        scored = score_data_set(
            checkpoint,
            data,
            files,
            device=select_device(device),
            on_scan=lambda num_done, _: progress.update(bar, completed=num_done),
        )
    report = make_report(scored.scans, seed=seed)
    for reason in scored.set_aside:
        typer.secho(f"Set aside: {reason}", fg="yellow", err=True)
    if as_json:
        typer.echo(json.dumps({**report.to_json(), "num_set_aside": len(scored.set_aside)}, indent=2))
    else:
        console = Console(markup=False, emoji=False, highlight=False)
        console.print(draw_report(report))
    write_submission(out, scored.candidates, scored.logits)  # last: the score is told if the disk is full
    typer.echo(f"Wrote {len(scored.candidates)} marks to {out}.", err=True)
    if scored.set_aside:
        raise typer.Exit(EXIT_SET_ASIDE)
