"""Read the one CT series among DICOM images: pydicom has read the headers, GDCM decodes the pixels."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from luna16.intake.grid import check_grid
from luna16.intake.hounsfield import check_hu, round_to_hu
from luna16.intake.layout import check_size
from luna16.intake.limits import Limits
from luna16.intake.series import choose_series
from luna16.intake.slices import DAMAGED, Slice
from luna16.intake.stack import stack_slices
from luna16.scan import Int16Array, Scan

NUM_BITS = (8, 16)


def read_dicom(slices: Sequence[Slice], limits: Limits) -> Scan:
    """Read the one axial CT series among the images.

    Raises ValueError if there is not just one, if its slices do not make an even, upright stack, or if its
    values are no HU.
    """
    ordered, geometry = stack_slices(choose_series(slices, limits))
    check_size(geometry.size_zyx_vox[::-1], limits)
    check_grid(geometry)
    for image in ordered:
        _check_pixels(image, limits)
    voxels_hu = np.empty(geometry.size_zyx_vox, np.int16)
    for place, image in enumerate(ordered):
        voxels_hu[place] = _read_plane(image.path, image.pixels.size_yx_vox)
    check_hu(voxels_hu)
    return Scan(ordered[0].series_uid, voxels_hu, geometry)


def _check_pixels(image: Slice, limits: Limits) -> None:
    """Raise ValueError if a file cannot hold the pixels that it promises, before GDCM makes room for them."""
    pixels = image.pixels
    if pixels.num_bits not in NUM_BITS:
        raise ValueError(f"Its pixels have {pixels.num_bits} bits, expected 16: export the series again.")
    promised = math.prod(pixels.size_yx_vox) * pixels.num_bits // 8
    if pixels.is_compressed:
        is_right = promised <= pixels.num_bytes * limits.max_ratio
    else:
        is_right = pixels.num_bytes in (promised, promised + promised % 2)
    if not is_right:
        raise ValueError(DAMAGED)


def _read_plane(path: Path, size_yx_vox: tuple[int, int]) -> Int16Array:
    """Let GDCM decode one slice and turn its values into HU by its own slope and intercept."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        plane = sitk.GetArrayFromImage(reader.Execute()).squeeze(0)
    except RuntimeError:  # its text holds the path
        raise ValueError(DAMAGED) from None
    if plane.shape != size_yx_vox:
        raise ValueError(DAMAGED)
    return round_to_hu(plane)
