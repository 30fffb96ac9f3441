"""Read the one CT series among DICOM images: pydicom has read the headers, GDCM decodes the pixels."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from luna16.geometry import Geometry
from luna16.intake.grid import check_grid
from luna16.intake.hounsfield import check_hu
from luna16.intake.layout import check_size
from luna16.intake.limits import Limits
from luna16.intake.pixels import check_pixels, decode_slice
from luna16.intake.series import choose_series
from luna16.intake.slices import Slice
from luna16.intake.stack import stack_slices
from luna16.scan import Int16Array, Scan


def read_dicom(slices: Sequence[Slice], limits: Limits) -> Scan:
    """Read the one axial CT series among the images.

    Raises ValueError if there is not just one, if its slices do not make an even, upright stack, or if its
    values are no HU.
    """
    ordered, geometry = stack_slices(choose_series(slices, limits))
    check_size(geometry.size_zyx_vox[::-1], limits)
    check_grid(geometry)
    for image in ordered:
        check_pixels(image, limits)
    voxels_hu = _decode_all(ordered, geometry)
    check_hu(voxels_hu)
    return Scan(ordered[0].series_uid, voxels_hu, geometry)


def _decode_all(ordered: list[Slice], geometry: Geometry) -> Int16Array:
    voxels_hu = np.empty(geometry.size_zyx_vox, np.int16)
    with tempfile.TemporaryDirectory(prefix="fedluna-slice-") as folder:
        for place, image in enumerate(ordered):
            voxels_hu[place] = decode_slice(image, Path(folder))
    return voxels_hu
