"""Check where a scan's voxels lie: steps of a CT, and axes that stand upright on each other."""

import math

from luna16.geometry import Geometry
from luna16.header import SPACING_MM, is_orthonormal


def check_grid(geometry: Geometry) -> None:
    """Raise ValueError if the spacing is that of no CT, the axes are oblique or the origin is no number."""
    low_mm, high_mm = SPACING_MM
    spacing = " x ".join(f"{step_mm:g}" for step_mm in geometry.spacing_xyz_mm)
    if not all(low_mm <= step_mm <= high_mm for step_mm in geometry.spacing_xyz_mm):
        raise ValueError(
            f"Its voxels are {spacing} mm, expected {low_mm:g} to {high_mm:g} each way: convert it again."
        )
    if not all(map(math.isfinite, geometry.origin_xyz_mm)):
        raise ValueError("Its origin is no number in mm: convert the scan again.")
    if not is_orthonormal(geometry.direction):
        raise ValueError(oblique())


def oblique(tilt: str = "") -> str:
    """Say that slices do not lie straight above each other."""
    return f"Its axes are oblique{tilt}, as of a tilted gantry: resample the scan to upright axes."
