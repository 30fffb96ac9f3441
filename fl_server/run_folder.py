"""A run's folder on disk: its last and best model and its history, each whole or not there at all.

Models are safetensors with a JSON beside them; nothing is ever unpickled.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from fl_core.config import TaskSettings
from fl_server.resume_point import ResumePoint, find_resume_point, keep_resume_point
from fl_store.rows import utc_now
from fl_store.run_rows import CheckpointRow
from luna16.checkpoint import PackedWeights, read_about, save_model
from luna16.counts import Score
from luna16.detection.calibration import Calibration
from luna16.whole_files import write_json

Weights = Mapping[str, torch.Tensor]

LAST, BEST = "last", "best"


class RunFolder:
    """Keeps ``last.safetensors``, ``best.safetensors`` and ``history.json`` of one run."""

    def __init__(self, path: Path, run_id: str, settings: TaskSettings) -> None:
        self.path = path
        self._run_id = run_id
        self._settings = settings.model_dump(include={"data", "model"})

    def keep_model(
        self,
        weights: Weights,
        round_no: int,
        result: Score,
        calibration: Calibration | None = None,
        *,
        is_best: bool,
    ) -> list[CheckpointRow]:
        """Write the model of a round as the last, and as the best if it is; returns what was written."""
        kinds = [LAST, BEST] if is_best else [LAST]
        packed = PackedWeights.pack(weights)
        return [self._write_model(kind, packed, round_no, result, calibration) for kind in kinds]

    def read_models(self) -> dict[int, dict[str, NDArray[Any]]]:
        """Return the last model and the best by their rounds; only one if it is both."""
        models = {}
        for kind in (LAST, BEST):
            path = self.path / f"{kind}.safetensors"
            round_no = int(read_about(path)["round_no"])
            if round_no not in models:
                models[round_no] = load_file(path)
        return models

    def keep_resume_point(self, point: ResumePoint) -> None:
        """Write what the run goes on from, if its coordinator is killed."""
        keep_resume_point(self.path, point)

    def find_resume_point(self) -> ResumePoint | None:
        """Return what the run goes on from, None if it begins."""
        return find_resume_point(self.path)

    def keep_history(self, history: dict[str, Any]) -> None:
        """Write the history so far."""
        self.keep_json("history.json", history)

    def keep_json(self, file_name: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run."""
        write_json(self.path / file_name, content)

    def _write_model(
        self, kind: str, weights: PackedWeights, round_no: int, result: Score, calibration: Calibration | None
    ) -> CheckpointRow:
        path = self.path / f"{kind}.safetensors"
        row = CheckpointRow(
            run_id=self._run_id,
            kind=kind,
            round_no=round_no,
            file_name=path.name,
            sha256=weights.sha256,
            num_bytes=len(weights.content),
            cpm=result.cpm,
            auc=result.auc,
            written_at=utc_now(),
        )
        about = {**asdict(row), "written_at": row.written_at.isoformat(), "settings": self._settings}
        if calibration:
            about["calibration"] = asdict(calibration)
        save_model(path, weights, about)
        return row
