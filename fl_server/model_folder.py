"""A run's model as a folder for others: in one format, with its card and the licence, whole or not there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from fl_server.model_card import write_card
from fl_server.model_facts import ModelFacts
from fl_server.model_formats import ModelFormat
from luna16.checkpoint import Checkpoint, load_checkpoint
from luna16.model_export import check_same, write_onnx, write_torchscript
from luna16.monai_bundle import write_bundle
from luna16.whole_files import write_json


def write_model_folder(
    model_path: Path, checkpoint: Checkpoint, facts: ModelFacts, file_format: ModelFormat, out: Path
) -> None:
    """Write a model, compare what was written with it, and only then let the folder ``out`` appear.

    Raises OSError if it cannot be written, ValueError if what was written is not the model.
    """
    with _appear_whole(out) as folder:
        if file_format is ModelFormat.MONAI_BUNDLE:
            card = folder / "docs" / "README.md"
            card.parent.mkdir()
            write_bundle(checkpoint, folder, facts.describe_for_monai())
        else:
            card = folder / "MODEL_CARD.md"
            _write_file(model_path, checkpoint, facts, file_format, folder)
        card.write_text(write_card(facts, checkpoint.data, file_format), encoding="utf-8")
        (folder / "LICENSE").write_text(_read_licence(), encoding="utf-8")


def _write_file(
    model_path: Path, checkpoint: Checkpoint, facts: ModelFacts, file_format: ModelFormat, folder: Path
) -> None:
    """Write a file and the JSON beside it."""
    write_json(folder / "model.json", facts.describe())
    match file_format:
        case ModelFormat.TORCHSCRIPT:
            write_torchscript(checkpoint, folder / "model.ts")
        case ModelFormat.ONNX:
            write_onnx(checkpoint, folder / "model.onnx")
        case ModelFormat.SAFETENSORS:
            copy = folder / "model.safetensors"
            shutil.copyfile(model_path, copy)
            check_same(checkpoint, load_checkpoint(copy).model.eval(), name=copy.name)


@contextmanager
def _appear_whole(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which gets the name ``out`` at the end; it is gone if anything fails."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    partial.mkdir()
    try:
        yield partial
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_licence() -> str:
    return distribution("fedluna").read_text("licenses/LICENSE") or ""
