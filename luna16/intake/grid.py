"""Check where a scan's voxels lie: steps of a CT, and axes that stand upright on each other."""

from collections.abc import Iterable

from luna16.geometry import Geometry
from luna16.header import SPACING_MM, is_orthonormal

FARTHEST_MM = 1e5


def check_grid(geometry: Geometry) -> None:
    """Raise ValueError if the spacing is that of no CT, the axes are oblique or the origin is no number."""
    low_mm, high_mm = SPACING_MM
    spacing = " x ".join(f"{step_mm:g}" for step_mm in geometry.spacing_xyz_mm)
    if not all(low_mm <= step_mm <= high_mm for step_mm in geometry.spacing_xyz_mm):
        raise ValueError(
            f"Its voxels are {spacing} mm, expected {low_mm:g} to {high_mm:g} each way: convert it again."
        )
    if not are_places(geometry.origin_xyz_mm):
        raise ValueError("Its origin is no place of up to 100 m: convert the scan again.")
    if not is_orthonormal(geometry.direction):
        raise ValueError(oblique())


def are_places(numbers_mm: Iterable[float]) -> bool:
    """Tell whether all numbers are finite and near enough to be places in mm."""
    return all(abs(number_mm) <= FARTHEST_MM for number_mm in numbers_mm)


def oblique(tilt: str = "") -> str:
    """Say that slices do not lie straight above each other."""
    return f"Its axes are oblique{tilt}, as of a tilted gantry: resample the scan to upright axes."
