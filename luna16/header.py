"""Check the keys of a MetaImage header (.mhd) by themselves, before SimpleITK reads it."""

import math
from collections.abc import Iterator

import numpy as np

from luna16.faults import FaultKind

SPACING_MM = (0.1, 10.0)
ORTHONORMAL_WITHIN = 1e-3


def check_header(header: dict[str, str]) -> Iterator[tuple[FaultKind, str]]:
    """Yield each fault that SimpleITK would refuse without a reason, or take as it is."""
    if "ObjectType" not in header and "NDims" not in header:
        yield FaultKind.HEADER, "it is no MetaImage header."
        return
    size = _numbers(header, "DimSize", 3)
    if size is None or not all(n >= 1 and n.is_integer() for n in size):
        yield FaultKind.VOXEL_TYPE, f"{_quote(header, 'DimSize')}, expected three sizes in voxels."
    if header.get("ElementType") != "MET_SHORT":
        yield FaultKind.VOXEL_TYPE, f"{_quote(header, 'ElementType')}, expected MET_SHORT."
    if "ElementDataFile" not in header:
        yield FaultKind.VOXEL_FILE, "ElementDataFile is missing."
    yield from _check_grid(header)


def _check_grid(header: dict[str, str]) -> Iterator[tuple[FaultKind, str]]:
    low_mm, high_mm = SPACING_MM
    spacing_mm = _numbers(header, "ElementSpacing", 3)
    if spacing_mm is None or not all(low_mm <= step_mm <= high_mm for step_mm in spacing_mm):
        found = _quote(header, "ElementSpacing")
        yield FaultKind.SPACING, f"{found}, expected three of {low_mm:g} to {high_mm:g} mm."
    if _numbers(header, "Offset", 3) is None:
        yield FaultKind.SPACING, f"{_quote(header, 'Offset')}, expected three numbers in mm."
    direction = _numbers(header, "TransformMatrix", 9)
    if direction is None or not _is_orthonormal(direction):
        found = _quote(header, "TransformMatrix")
        yield FaultKind.DIRECTION, f"{found}, expected an orthonormal 3 x 3 matrix."


def _is_orthonormal(direction: list[float]) -> bool:
    matrix = np.reshape(direction, (3, 3))
    return np.allclose(matrix @ matrix.T, np.eye(3), rtol=0, atol=ORTHONORMAL_WITHIN)


def _numbers(header: dict[str, str], key: str, count: int) -> list[float] | None:
    try:
        numbers = [float(text) for text in header.get(key, "").split()]
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _quote(header: dict[str, str], key: str) -> str:
    return f"{key} is {header[key][:60]!r}" if key in header else f"{key} is missing"
