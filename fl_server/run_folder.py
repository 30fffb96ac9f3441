"""A run's folder on disk: its last and best model and its history, each whole or not there at all.

Models are safetensors with a JSON beside them; nothing is ever unpickled.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fl_core.config import TaskSettings
from fl_store.rows import CheckpointRow, utc_now
from luna16.checkpoint import save_weights, write_json
from luna16.counts import Score
from luna16.detection.calibration import Calibration

Weights = Mapping[str, torch.Tensor]

LAST, BEST = "last", "best"


class RunFolder:
    """Keeps ``last.safetensors``, ``best.safetensors`` and ``history.json`` of one run.

    The best model is the one with the highest CPM, and among equals the highest AUC.
    """

    def __init__(self, path: Path, run_id: str, settings: TaskSettings) -> None:
        self.path = path
        self._run_id = run_id
        self._settings = settings.model_dump(include={"data", "model"})
        self._best: tuple[float, float] | None = None

    def keep_model(
        self, weights: Weights, round_no: int, result: Score, calibration: Calibration | None = None
    ) -> list[CheckpointRow]:
        """Write the model of a round as the last, and as the best if it is; returns what was written."""
        kinds = [LAST]
        rank = (result.cpm or 0.0, result.auc or 0.0)
        if self._best is None or rank > self._best:
            self._best = rank
            kinds.append(BEST)
        return [self._write_model(kind, weights, round_no, result, calibration) for kind in kinds]

    def keep_history(self, history: dict[str, Any]) -> None:
        """Write the history so far."""
        write_json(self.path / "history.json", history)

    def _write_model(
        self, kind: str, weights: Weights, round_no: int, result: Score, calibration: Calibration | None
    ) -> CheckpointRow:
        path = self.path / f"{kind}.safetensors"
        row = CheckpointRow(
            run_id=self._run_id,
            kind=kind,
            round_no=round_no,
            file_name=path.name,
            sha256=save_weights(path, weights),
            num_bytes=path.stat().st_size,
            cpm=result.cpm,
            auc=result.auc,
            written_at=utc_now(),
        )
        about = {**asdict(row), "written_at": row.written_at.isoformat(), "settings": self._settings}
        if calibration:
            about["calibration"] = asdict(calibration)
        write_json(path.with_suffix(".json"), about)
        return row
