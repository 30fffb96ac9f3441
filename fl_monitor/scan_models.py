"""With which model a scan is searched: one whose file is here, and is the one that was written down."""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fl_monitor.language import gettext as _
from fl_monitor.model_routes import open_model
from fl_monitor.views.models import kind_text
from fl_monitor.wording import number_text
from fl_store.base import Store
from fl_store.run_rows import CheckpointRow, RunRow

MODEL_FILE = "model.safetensors"


class ModelMissingError(Exception):
    """The model is not here, or is not the one that was written down; its text is one sentence."""


@dataclass(frozen=True)
class OfferedModel:
    """A model that scans can be searched with here."""

    row: CheckpointRow
    run_name: str

    @property
    def name(self) -> str:
        """What the browser sends back to choose it."""
        return f"{self.row.run_id}/{self.row.kind}"

    def describe(self) -> str:
        """Say which it is, in the language that is spoken."""
        return _("{run}, {kind} model, round {round_no}, CPM {cpm}").format(
            run=self.run_name,
            kind=kind_text(self.row.kind),
            round_no=self.row.round_no,
            cpm=number_text(self.row.cpm),
        )


def offer_models(
    checkpoints: Iterable[CheckpointRow], runs: Sequence[RunRow], home: Path
) -> list[OfferedModel]:
    """Return the models whose files are here: of the newest run first, and of each run the best first."""
    names = {run.run_id: run.name for run in reversed(runs)}
    order = {run_id: place for place, run_id in enumerate(names)}
    known = [row for row in checkpoints if row.run_id in names]
    known.sort(key=lambda row: (order[row.run_id], row.kind))
    return [OfferedModel(row, names[row.run_id]) for row in known if _is_here(home, row)]


def find_model(store: Store, home: Path, name: str) -> OfferedModel | None:
    """Return the model of this name, or the first on offer if there is no name; None if it is not here."""
    offered = offer_models(store.get(CheckpointRow), store.get(RunRow), home)
    return next((model for model in offered if name in {"", model.name}), None)


def copy_model(store: Store, home: Path, name: str, folder: Path) -> Path:
    """Copy a model, and the JSON that tells its network, to where a run that goes on does not replace it.

    Raises ModelMissingError if it is not here, or if it is not the file that was written down.
    """
    model = find_model(store, home, name)
    file = open_model(home, model.row) if model else None
    if model is None or file is None:
        raise ModelMissingError("The model is no longer here. Choose another one.")
    path = folder / MODEL_FILE
    with file, path.open("wb") as out:
        shutil.copyfileobj(file, out)
    with path.open("rb") as copy:
        if hashlib.file_digest(copy, "sha256").hexdigest() != model.row.sha256:
            raise ModelMissingError(
                "The model's file is not the one that was written down: its sha256 differs."
            )
    about = Path(file.name).with_suffix(".json")
    if not about.is_file():
        raise ModelMissingError("The model's file lacks the JSON beside it, which tells its network.")
    shutil.copyfile(about, path.with_suffix(".json"))
    return path


def _is_here(home: Path, row: CheckpointRow) -> bool:
    file = open_model(home, row)
    if file is None:
        return False
    file.close()
    return True
