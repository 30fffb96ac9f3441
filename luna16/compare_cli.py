"""``luna16 compare``: central, federated and single-site training side by side."""

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
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
    from luna16.comparison import Comparison, ModelTask
    from luna16.comparison_report import ComparisonReport
    from luna16.dataset import Shard

LOOK_EVERY_S = 1.0
FEWEST_SITES = 2
PAGE_NAME = "comparison.html"


def compare(
    root: Annotated[Path, typer.Argument()],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the results, the models and the cut patches.")
    ] = Path("comparison"),
    config: ConfigOption = None,
    rounds: RoundsOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Repetitions of each training.")
    ] = 3,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            metavar="N",
            help="Models to train at once. (default: one a core, or one on a GPU)",
        ),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train on all scans, by federation and at each site of ROOT alone, and say who gains.

    Each subset folder of ROOT is a site, or each shard in it. It goes on where it was stopped.

    All models take as many steps and are tested on the validation scans of all sites.

    Exit code 1: scans had to be set aside.
    """
    from luna16.comparison import Comparison
    from luna16.local_sites import find_sites
    from luna16.model import select_device

    check_out(out, root)
    sites = find_sites(root)
    if len(sites) < FEWEST_SITES:
        raise click.UsageError(f"{root} holds one site, expected 2 or more. Deal it out with luna16 shard.")
    comparison = Comparison(tuple(sites), choose_course(config, rounds), seeds, out, select_device(device))
    with open_progress() as progress, show_log(progress.console):
        shards = load_shards(sites, out, comparison.config.data, progress)
        report = _compare(comparison, shards, jobs, progress)
    _write(report, out)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        _print(report)
    typer.echo(f"\nThe same with a figure: {out / PAGE_NAME}", err=True)
    raise typer.Exit(choose_exit_code(shards))


def _compare(
    comparison: "Comparison", shards: "dict[str, Shard]", jobs: int | None, progress: Progress
) -> "ComparisonReport":
    from luna16.comparison import equalize_steps, plan_models, train_models
    from luna16.comparison_report import make_comparison_report

    config = equalize_steps(comparison.config, shards)
    tasks = plan_models(replace(comparison, config=config), shards)
    with _show_rounds(tasks, progress):
        scores = train_models(tasks, shards, num_jobs=jobs)
    return make_comparison_report(scores, shards, config)


def _write(report: "ComparisonReport", out: Path) -> None:
    from luna16.comparison_page import make_page
    from luna16.whole_files import write_json

    write_json(out / "comparison.json", report.to_json())
    (out / PAGE_NAME).write_text(make_page(report), encoding="utf-8")


def _print(report: "ComparisonReport") -> None:
    from luna16.comparison_view import describe_test, draw_arms, list_sentences

    console = Console(markup=False, emoji=False, highlight=False)
    console.print(f"{describe_test(report)}.\n", draw_arms(report), sep="\n")
    for sentence in list_sentences(report):
        console.print(f"\n{sentence}")


@contextlib.contextmanager
def _show_rounds(tasks: "Sequence[ModelTask]", progress: Progress) -> Iterator[None]:
    """Show how many rounds the training processes have done, of all models together."""
    is_over = threading.Event()
    bar = progress.add_task(
        f"Training rounds of {len(tasks)} models", total=sum(task.config.rounds for task in tasks)
    )

    def look() -> None:
        while not is_over.wait(LOOK_EVERY_S):
            progress.update(bar, completed=sum(task.count_rounds() for task in tasks))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
