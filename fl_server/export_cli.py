"""``fl-server export``: give the model of a run to others."""

import os
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fl_core.config import home_folder
from fl_core.errors import FedLunaError, UsageError
from fl_core.terminal import VerboseOption
from fl_server.model_formats import ModelFormat
from fl_server.runs_cli import KnownRun, find_run
from fl_store.base import Store
from fl_store.connect import open_existing_store
from fl_store.run_rows import RunRow

if TYPE_CHECKING:  # torch takes two seconds to import, and a wrong word on the command line needs none of it
    from fl_server.model_facts import ModelFacts
    from luna16.checkpoint import Checkpoint


class Kind(StrEnum):
    """Which model of a run."""

    BEST = "best"
    LAST = "last"


def export_model(
    run: KnownRun,
    file_format: Annotated[
        ModelFormat,
        typer.Option("--format", metavar="NAME", help="monai-bundle, torchscript, onnx or safetensors."),
    ],
    kind: Annotated[Kind, typer.Option(help="The model of the best round, or of the last.")] = Kind.BEST,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder to make. (default: RUN-FORMAT)")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Write a run's model with a model card into a new folder, for other programs and people.

    RUN is its id, the beginning of it that no other has, or 'last'.

    The folder appears once it gives the same probabilities as the model. It names no site.
    """
    home = home_folder()
    with closing(open_existing_store(home)) as store:
        found = find_run(store, run)
        folder = choose_folder(out or Path(f"{found.run_id}-{file_format}"))
        model_path = home / "runs" / found.run_id / f"{kind}.safetensors"
        if not model_path.is_file():
            raise UsageError(f"Run {found.run_id} has no {kind} model in {model_path.parent}.")
        _check_packages(file_format)
        checkpoint, facts = _read_model(store, found, model_path)
    _write(model_path, checkpoint, facts, file_format, folder)
    card = "docs/README.md" if file_format is ModelFormat.MONAI_BUNDLE else "MODEL_CARD.md"
    typer.echo(
        f"The {kind} model of run {found.run_id}, after round {facts.round_no} of {facts.num_rounds}, is in\n"
        f"{folder}\nRead {card} first: what it is for, how to use it, how good it is."
    )


def choose_folder(path: Path) -> Path:
    """Return the whole path of a folder that can be made; UsageError if it cannot, or is there already."""
    whole = Path(os.path.realpath(path))
    try:
        if whole.exists():
            raise UsageError(f"{path} is there already. Name another folder with --out, or remove it.")
        if not whole.parent.is_dir():
            raise UsageError(f"Cannot write {path}: there is no folder {whole.parent}.")
    except OSError as error:  # the name is too long, say
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error
    if not os.access(whole.parent, os.W_OK | os.X_OK):
        raise UsageError(f"Cannot write {path}: the folder {whole.parent} is not writable.")
    return whole


def _check_packages(file_format: ModelFormat) -> None:
    from luna16.model_export import check_packages

    if file_format is ModelFormat.ONNX:
        try:
            check_packages()
        except ValueError as error:
            raise UsageError(str(error)) from error


def _read_model(store: Store, run: RunRow, model_path: Path) -> "tuple[Checkpoint, ModelFacts]":
    """Read a model and what may be told of it; UsageError if it is damaged, or has just been replaced."""
    from fl_server.model_facts import read_facts
    from luna16.checkpoint import load_checkpoint

    try:
        facts = read_facts(store, run, model_path)
        checkpoint = load_checkpoint(model_path)
        is_same = read_facts(store, run, model_path).sha256 == facts.sha256
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"Cannot read {model_path}: {error.strerror}.") from error
    if not is_same:
        raise UsageError(f"Run {run.run_id} goes on and has just written another model. Try again.")
    return checkpoint, facts


def _write(
    model_path: Path, checkpoint: "Checkpoint", facts: "ModelFacts", file_format: ModelFormat, folder: Path
) -> None:
    from fl_server.model_folder import write_model_folder

    try:
        write_model_folder(model_path, checkpoint, facts, file_format, folder)
    except OSError as error:
        raise UsageError(f"Cannot write {folder}: {error.strerror}.") from error
    except ValueError as error:
        raise FedLunaError(f"Nothing was exported: {error}") from error
