"""Which model detects: a file, or the best one of a run of the federation."""

import os
from pathlib import Path

from luna16.checkpoint import load_checkpoint, read_about, sha256_of
from luna16.config import ModelConfig
from luna16.detection.calibration import parse_calibration, read_calibration
from luna16.detection.detector import Detector

KINDS = ("best.safetensors", "last.safetensors")


def find_model(choice: str) -> Path:
    """Give the model file that a file, a run's folder or a run's id names: its best model, or else its last.

    Runs are looked for below FEDLUNA_HOME. Raises FileNotFoundError if there is none.
    """
    if choice.endswith(".safetensors"):
        return Path(choice)
    home = Path(os.environ.get("FEDLUNA_HOME", "fedluna-data"))
    folders = [Path(choice), home / "runs" / Path(choice).name]
    for path in (folder / kind for folder in folders for kind in KINDS):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"No model {choice}: name a .safetensors file, a run folder, or the id of a run in {home}."
    )


def load_detector(path: Path, *, calibration: Path | None = None) -> Detector:
    """Read a model file with what its JSON says, or else a file says, of its calibration.

    Raises FileNotFoundError or ValueError, with one line, if a file is missing, damaged or another model's.
    """
    checkpoint, about, sha256 = load_checkpoint(path), read_about(path), sha256_of(path)
    source = path.with_suffix(".json").name
    found = about.get("calibration")
    in_model = parse_calibration(found, source=source) if found is not None else None
    return Detector(
        checkpoint=checkpoint,
        sha256=sha256,
        network=about["settings"].get("model", {}).get("name", ModelConfig().name),
        run_id=about.get("run_id"),
        round_no=about.get("round_no"),
        calibration=read_calibration(calibration, model_sha256=sha256) if calibration else in_model,
        calibration_source=calibration.name if calibration else source if in_model else "",
    )
