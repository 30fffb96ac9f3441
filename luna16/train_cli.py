"""``luna16 train``: train one model on the scans of all sites together, as if they might be pooled."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from luna16.course_cli import (
    ConfigOption,
    RoundsOption,
    choose_course,
    choose_exit_code,
    load_shards,
)
from luna16.terminal import DeviceOption, JsonOption, VerboseOption, check_out, open_progress, show_log

if TYPE_CHECKING:  # torch takes a while to import, and most commands need none
    from luna16.central import OnScoredRound
    from luna16.counts import Score
    from luna16.course import RoundRecord

MODEL_NAME = "model.safetensors"


def train(
    root: Annotated[Path, typer.Argument()],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the model and the cut patches.")
    ] = Path("trained"),
    config: ConfigOption = None,
    rounds: RoundsOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train one model on the training scans of all sites of ROOT, and score it on their validation scans.

    Each subset folder of ROOT is a site, or each shard in it. It goes on where it was stopped.

    Exit code 1: scans had to be set aside.
    """
    from luna16.central import train_centrally
    from luna16.local_sites import are_subsets, find_sites
    from luna16.model import select_device
    from luna16.score_report import draw_report, make_report

    check_out(out, root)
    sites, course, place = find_sites(root), choose_course(config, rounds), select_device(device)
    with open_progress() as progress, show_log(progress.console):
        shards = load_shards(sites, out, course.data, progress)
        tell = _make_teller(progress, course.rounds)
        scans = train_centrally(
            shards,
            course,
            out / MODEL_NAME,
            device=place,
            site_per_subset=are_subsets(sites),
            on_round=tell,
        )
    report = make_report(scans)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        Console(markup=False, emoji=False, highlight=False).print(draw_report(report))
    typer.echo(f"The model is {out / MODEL_NAME}.", err=True)
    raise typer.Exit(choose_exit_code(shards))


def _make_teller(progress: Progress, rounds: int) -> "OnScoredRound":
    """Make what prints a line for each round, and moves a bar."""
    bar = progress.add_task("Training rounds", total=rounds)

    def tell(record: "RoundRecord", result: "Score") -> None:
        progress.update(bar, completed=record.round_no)
        progress.console.print(_describe_round(record, result, rounds), highlight=False)

    return tell


def _describe_round(record: "RoundRecord", result: "Score", rounds: int) -> str:
    scores = [("AUC", result.auc), ("CPM", result.cpm)]
    known = "".join(f", {name} {value:.3f}" for name, value in scores if value is not None)
    return f"round {record.round_no} of {rounds}: loss {record.loss:.3f}{known}, {record.seconds:.1f} s"
