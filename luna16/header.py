"""Check the keys of a MetaImage header (.mhd) by themselves, before SimpleITK reads it."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from luna16.faults import FaultKind

SPACING_MM = (0.1, 10.0)
ORTHONORMAL_WITHIN = 1e-3


def check_header(header: dict[str, str]) -> Iterator[tuple[FaultKind, str]]:
    """Yield each fault that SimpleITK would refuse without a reason, or take as it is."""
    if "ObjectType" not in header and "NDims" not in header:
        yield FaultKind.HEADER, "it is no MetaImage header."
        return
    size = read_numbers(header, "DimSize", 3)
    if size is None or not all(n >= 1 and n.is_integer() for n in size):
        yield FaultKind.VOXEL_TYPE, f"{quote(header, 'DimSize')}, expected three sizes in voxels."
    if header.get("ElementType") != "MET_SHORT":
        yield FaultKind.VOXEL_TYPE, f"{quote(header, 'ElementType')}, expected MET_SHORT."
    if "ElementDataFile" not in header:
        yield FaultKind.VOXEL_FILE, "ElementDataFile is missing."
    yield from check_grid(header)


def check_grid(header: dict[str, str]) -> Iterator[tuple[FaultKind, str]]:
    """Yield what is wrong with the spacing, the origin and the direction."""
    low_mm, high_mm = SPACING_MM
    spacing_mm = read_numbers(header, "ElementSpacing", 3)
    if spacing_mm is None or not all(low_mm <= step_mm <= high_mm for step_mm in spacing_mm):
        found = quote(header, "ElementSpacing")
        yield FaultKind.SPACING, f"{found}, expected three of {low_mm:g} to {high_mm:g} mm."
    if read_numbers(header, "Offset", 3) is None:
        yield FaultKind.SPACING, f"{quote(header, 'Offset')}, expected three numbers in mm."
    direction = read_numbers(header, "TransformMatrix", 9)
    if direction is None or not is_orthonormal(direction):
        found = quote(header, "TransformMatrix")
        yield FaultKind.DIRECTION, f"{found}, expected an orthonormal 3 x 3 matrix."


def is_orthonormal(direction: Sequence[float]) -> bool:
    """Tell whether the axes of a row-major 3x3 matrix have length 1 and stand upright on each other."""
    matrix = np.reshape(direction, (3, 3))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.allclose(matrix @ matrix.T, np.eye(3), rtol=0, atol=ORTHONORMAL_WITHIN)


def read_numbers(header: dict[str, str], key: str, count: int) -> list[float] | None:
    """Give the finite numbers of a key, or None if there are not ``count`` of them."""
    try:
        numbers = [float(text) for text in header.get(key, "").split()]
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def quote(header: dict[str, str], key: str) -> str:
    """Say what a key is, for a message."""
    return f"{key} is {header[key][:60]!r}" if key in header else f"{key} is missing"
