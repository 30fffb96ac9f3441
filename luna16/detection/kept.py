"""The marks of each scan of a data set, kept so that a detection that was stopped goes on where it ended."""

import hashlib
import json
from pathlib import Path

import numpy as np

from luna16.detection.detector import DETECTOR_VERSION, Detector, make_marks
from luna16.detection.marks import Detection
from luna16.geometry import Vector3
from luna16.scan import ScanFile
from luna16.whole_files import write_json


class KeptDetections:
    """A folder with a file for each scan, under a name that tells model, scan and version of the detector."""

    def __init__(self, folder: Path, detector: Detector) -> None:
        self._folder = folder
        self._detector = detector
        self._model = (detector.sha256, detector.checkpoint.data.model_dump_json(), DETECTOR_VERSION)

    def find(self, file: ScanFile) -> Detection | None:
        """Give what was kept of a scan, or None if it has to be looked at, as a damaged file tells too."""
        try:
            content = json.loads(self._path_of(file).read_text(encoding="utf-8"))
            logits = np.array(content["logits"], np.float64)
            marks = make_marks(
                _as_places(content["centers_xyz_mm"]), content["diameters_mm"], logits, self._detector
            )
            candidates_xyz_mm = _as_places(content["candidates_xyz_mm"])
            return Detection(marks, candidates_xyz_mm, tuple(content["warnings"]), content["seconds"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def keep(self, file: ScanFile, detection: Detection) -> None:
        """Write what was found in a scan, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {
            "centers_xyz_mm": [mark.center_xyz_mm for mark in detection.marks],
            "diameters_mm": [mark.diameter_mm for mark in detection.marks],
            "logits": [mark.logit for mark in detection.marks],
            "candidates_xyz_mm": detection.candidates_xyz_mm,
            "warnings": detection.warnings,
            "seconds": detection.seconds,
        }
        write_json(self._path_of(file), content)

    def _path_of(self, file: ScanFile) -> Path:
        parts = sorted(file.path.parent.glob(f"{file.series_uid}.*"))
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in parts]
        key = hashlib.sha256(json.dumps([self._model, stats]).encode()).hexdigest()
        return self._folder / f"{key[:32]}.json"


def _as_places(rows: list[list[float]]) -> tuple[Vector3, ...]:
    return tuple((x_mm, y_mm, z_mm) for x_mm, y_mm, z_mm in rows)
