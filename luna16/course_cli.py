"""What ``luna16 train`` and ``luna16 compare`` have in common: their options, and how sites are loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from luna16.terminal import EXIT_SET_ASIDE

if TYPE_CHECKING:  # torch takes a while to import, and most commands need none
    from luna16.config import CourseConfig, DataConfig
    from luna16.dataset import Shard
    from luna16.local_sites import LocalSite

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A run's TOML file: how patches are cut, which network, how it is trained."
    ),
]
RoundsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Rounds to train. (default: those of the file, or 20)"),
]


def choose_course(config: Path | None, rounds: int | None) -> "CourseConfig":
    """Read the file and let the command line have the last word."""
    from luna16.config import read_course

    course = read_course(config)
    return course.model_copy(update={"rounds": rounds}) if rounds else course


def load_shards(
    sites: "Sequence[LocalSite]", out: Path, config: "DataConfig", progress: Progress
) -> "dict[str, Shard]":
    """Load the sites' shards, with a bar while patches are cut."""
    from luna16.local_sites import load_sites

    bar = progress.add_task("Cutting patches", total=sum(site.count_scans() for site in sites))
    shards = load_sites(
        sites, out / "patches", config, on_progress=lambda done: progress.update(bar, completed=done)
    )
    progress.remove_task(bar)
    return shards


def choose_exit_code(shards: "Mapping[str, Shard]") -> int:
    """Give 1 if a scan had to be set aside, which was logged then, or else 0."""
    return EXIT_SET_ASIDE if any(shard.set_aside for shard in shards.values()) else 0
