"""Turn an image's values into int16 HU, and refuse what cannot be a CT by them."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.scan import Int16Array

HU = np.iinfo(np.int16)
AIR_HU = (-1100, -500)
SOFT_TISSUE_HU = (-200, 200)
SHARE_NEEDED = 0.01
NOT_FINITE = "Some voxels are NaN or infinite, expected HU everywhere: convert the scan again."


def to_hu(image: sitk.Image) -> Int16Array:
    """Give an image's values, rounded, as int16 of shape (D, H, W).

    It goes slice by slice, so that no second copy in the image's own type is needed.

    Raises ValueError if a value is NaN or beyond int16.
    """
    values = sitk.GetArrayViewFromImage(image)
    voxels_hu = np.empty(values.shape, np.int16)
    for place, plane in enumerate(values):
        voxels_hu[place] = round_to_hu(plane)
    return voxels_hu


def round_to_hu(plane: npt.NDArray[Any]) -> Int16Array:
    """Give a slice's values as int16; ValueError if one is NaN or does not fit."""
    lowest, highest = float(plane.min()), float(plane.max())
    if not math.isfinite(lowest + highest):
        raise ValueError(NOT_FINITE)
    if lowest < HU.min or highest > HU.max:
        raise ValueError(
            f"Its values are {lowest:g} to {highest:g} in one slice, expected HU of {HU.min} to {HU.max}: "
            "convert the scan again."
        )
    whole = np.rint(plane) if plane.dtype.kind == "f" else plane
    return whole.astype(np.int16)


def check_hu(voxels_hu: Int16Array) -> None:
    """Raise ValueError if the values are those of no CT: both air and soft tissue are looked for."""
    lowest, highest = int(voxels_hu.min()), int(voxels_hu.max())
    if lowest == highest:
        raise ValueError(f"Every voxel is {lowest} HU: export the scan again.")
    for name, (low, high) in (("air", AIR_HU), ("soft tissue", SOFT_TISSUE_HU)):
        share = np.count_nonzero((voxels_hu >= low) & (voxels_hu <= high)) / voxels_hu.size
        if share < SHARE_NEEDED:
            raise ValueError(
                f"Its values are {lowest} to {highest}, {share:.1%} of them {name} ({low} to {high} HU): "
                "hand over a CT of the chest in Hounsfield units."
            )
