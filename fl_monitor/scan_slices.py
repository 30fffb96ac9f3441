"""What the viewer shows: slices of a scan's voxels, and the nodules that were found in it.

The voxels lie on disk as ``luna16 detect --view`` writes them: int16 HU of shape (D, H, W), x to the left
of the patient, y to the back, z up.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fl_monitor.scan_folder import VOLUME

PLANES = ("axial", "coronal", "sagittal")
"""Across z, y and x."""
FILES = ("result.json", "nodules.csv", "nodules.nii.gz", "nodules.dcm")
"""What may be downloaded, as far as it is there."""


@dataclass(frozen=True)
class View:
    """A scan that can be looked at; ``about`` is what the search told of itself."""

    size_zyx_vox: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    nodules: tuple[Mapping[str, Any], ...]
    about: Mapping[str, Any]


def read_view(folder: Path) -> View:
    """Read what can be looked at of an upload; ValueError if the search left no whole result."""
    volume = folder / VOLUME
    try:
        told = _read_json(volume.with_suffix(".json"))
        result = _read_json(folder / "out" / "result.json")
        size = tuple(map(int, told["size_zyx_vox"]))
        spacing = tuple(map(float, told["spacing_zyx_mm"]))
        is_whole = volume.stat().st_size == 2 * int(np.prod(size))
        nodules = tuple(told["nodules"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError("The search left no whole result.") from error
    if len(size) != 3 or len(spacing) != 3 or not is_whole:
        raise ValueError("The search left no whole result.")
    return View(size, spacing, nodules, result)


def _read_json(path: Path) -> Any:
    """Read JSON; ValueError if it is none, or holds NaN, which browsers do not read."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def read_slice(folder: Path, plane: str, number: int) -> bytes | None:
    """Return one slice as little-endian int16 HU, row by row, the head up; None if there is no such slice."""
    size_zyx_vox = read_view(folder).size_zyx_vox
    if plane not in PLANES or not 0 <= number < size_zyx_vox[axis := PLANES.index(plane)]:
        return None
    voxels_hu = np.memmap(folder / VOLUME, "<i2", mode="r", shape=size_zyx_vox)
    pixels: npt.NDArray[np.int16] = np.take(voxels_hu, number, axis)
    return (pixels if plane == "axial" else pixels[::-1]).tobytes()


def list_files(folder: Path) -> list[str]:
    """Return the names of the results that are there."""
    return [name for name in FILES if (folder / "out" / name).is_file()]
