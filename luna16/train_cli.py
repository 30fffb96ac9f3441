"""``luna16 train``: train one model on the scans of all sites together, as if they might be pooled."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from luna16.course_cli import (
    ConfigOption,
    DeviceOption,
    RootArgument,
    RoundsOption,
    choose_course,
    load_shards,
)
from luna16.terminal import VerboseOption, check_out, open_progress, show_log

if TYPE_CHECKING:  # torch takes a while to import, and most commands need none
    from luna16.config import CourseConfig
    from luna16.counts import Score
    from luna16.course import RoundRecord
    from luna16.local_sites import LocalSite
    from luna16.scan_scores import ScanScores

MODEL_NAME = "model.safetensors"


def train(
    root: RootArgument,
    out: Annotated[Path, typer.Option(help="Folder of the model and the cut patches.")] = Path("trained"),
    config: ConfigOption = None,
    rounds: RoundsOption = None,
    device: DeviceOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Train one model on the training scans of all sites of ROOT, and score it on their validation scans.

    Sites are the subset folders of ROOT, or the shards in it. It goes on where it was stopped.
    """
    from luna16.local_sites import find_sites
    from luna16.score_report import draw_report, make_report

    check_out(out, root)
    report = make_report(_train(find_sites(root), choose_course(config, rounds), out, device))
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        Console(markup=False, emoji=False, highlight=False).print(draw_report(report))
    typer.echo(f"The model is {out / MODEL_NAME}.", err=True)


def _train(
    sites: "Sequence[LocalSite]", course: "CourseConfig", out: Path, device: str
) -> "list[ScanScores]":
    from luna16.central import train_centrally
    from luna16.model import select_device

    place = select_device(device)
    with open_progress() as progress, show_log(progress.console):
        shards = load_shards(sites, out, course.data, progress)
        bar = progress.add_task("Training rounds", total=course.rounds)

        def tell(record: "RoundRecord", result: "Score") -> None:
            progress.update(bar, completed=record.round_no)
            progress.console.print(_describe_round(record, result, course.rounds), highlight=False)

        return train_centrally(shards, course, out / MODEL_NAME, device=place, on_round=tell)


def _describe_round(record: "RoundRecord", result: "Score", rounds: int) -> str:
    scores = [("AUC", result.auc), ("CPM", result.cpm)]
    known = "".join(f", {name} {value:.3f}" for name, value in scores if value is not None)
    return f"round {record.round_no} of {rounds}: loss {record.loss:.3f}{known}, {record.seconds:.1f} s"
