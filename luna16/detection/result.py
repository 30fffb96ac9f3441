"""What a detection comes to as JSON, as a table, and as the files of a result folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from luna16.annotations import Candidate
from luna16.detection.detector import Detector
from luna16.detection.label_map import write_label_map
from luna16.detection.marks import NOTICE, Detection, Mark
from luna16.geometry import Geometry
from luna16.submission import write_submission
from luna16.whole_files import write_json


@dataclass(frozen=True, eq=False)
class Result:
    """The marks of one scan that a reader should look at, with what they were found by and in."""

    series_uid: str = field(repr=False)
    scan_format: str
    geometry: Geometry
    detector: Detector
    detection: Detection
    marks: tuple[Mark, ...]
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Give the result as JSON takes it."""
        return {
            "format": "fedluna-detection",
            "version": 1,
            "notice": NOTICE,
            "software": f"fedluna {version('fedluna')}",
            "model": {
                "sha256": self.detector.sha256,
                "network": self.detector.network,
                "run_id": self.detector.run_id,
                "round_no": self.detector.round_no,
            },
            "scan": {
                "series_uid": self.series_uid,
                "format": self.scan_format,
                "size_zyx_vox": self.geometry.size_zyx_vox,
                "spacing_zyx_mm": self.geometry.spacing_xyz_mm[::-1],
                "origin_xyz_mm": self.geometry.origin_xyz_mm,
                "direction": self.geometry.direction,
            },
            "calibration": _describe_calibration(self.detector),
            "num_candidates": self.detection.num_candidates,
            "warnings": self.detection.warnings,
            "nodules": list_nodules(self.marks, self.geometry),
            "seconds": self.seconds,
        }


def list_nodules(marks: Sequence[Mark], geometry: Geometry) -> list[dict[str, Any]]:
    """Give the marks as JSON takes them, with their places among the voxels of a volume."""
    return [
        {
            "rank": rank,
            "center_xyz_mm": _round(mark.center_xyz_mm),
            "center_zyx_vox": _round(geometry.world_to_voxel(mark.center_xyz_mm)),
            "diameter_mm": round(mark.diameter_mm, 2),
            "probability": mark.probability,
            "logit": mark.logit,
        }
        for rank, mark in enumerate(marks, start=1)
    ]


def write_result(folder: Path, result: Result) -> None:
    """Write result.json, nodules.csv and nodules.nii.gz into a folder; OSError if the disk is full."""
    candidates = [Candidate(result.series_uid, mark.center_xyz_mm, is_nodule=False) for mark in result.marks]
    logits = np.array([mark.logit for mark in result.marks])
    write_submission(folder / "nodules.csv", candidates, result.detector.adjust(logits))
    write_label_map(folder / "nodules.nii.gz", result.marks, result.geometry)
    write_json(folder / "result.json", result.to_json())


def draw_result(result: Result) -> Table:
    """Give the marks as a table."""
    is_calibrated = result.detector.calibration is not None
    table = Table(title=_headline(result), title_justify="left")
    for name in ("rank", "x mm", "y mm", "z mm", "slice", "diameter mm"):
        table.add_column(name, justify="right")
    table.add_column("probability" if is_calibrated else "Score", justify="right")
    for nodule in list_nodules(result.marks, result.geometry):
        x_mm, y_mm, z_mm = nodule["center_xyz_mm"]
        slice_no = round(nodule["center_zyx_vox"][0]) + 1
        places = f"{x_mm:.1f}", f"{y_mm:.1f}", f"{z_mm:.1f}", str(slice_no)
        table.add_row(
            str(nodule["rank"]), *places, f"{nodule['diameter_mm']:.1f}", f"{nodule['probability']:.3f}"
        )
    return table


def _headline(result: Result) -> str:
    return f"{len(result.marks)} nodules shown, of {result.detection.num_candidates} candidates"


def _describe_calibration(detector: Detector) -> dict[str, Any] | None:
    if detector.calibration is None:
        return None
    return {**asdict(detector.calibration), "source": detector.calibration_source}


def _round(position: Sequence[float]) -> list[float]:
    return [round(each, 3) for each in position]
