"""The marks of a scan as a label map, for viewers that lay it over the scan."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.detection.marks import NOTICE, Mark
from luna16.geometry import Geometry

UInt8Array = npt.NDArray[np.uint8]
MAX_LABELS = 255


def draw_label_map(marks: Sequence[Mark], geometry: Geometry) -> UInt8Array:
    """Draw each mark as a ball of its diameter, labelled by its rank; uint8 of the scan's shape (D, H, W).

    Where two balls meet, the likelier mark is on top.
    """
    labels = np.zeros(geometry.size_zyx_vox, np.uint8)
    ranked = list(enumerate(marks[:MAX_LABELS], start=1))
    for rank, mark in reversed(ranked):
        window = geometry.window_around(mark.center_xyz_mm, mark.diameter_mm)
        labels[window][_is_within(mark, geometry.crop(window))] = rank
    return labels


def write_label_map(path: Path, marks: Sequence[Mark], geometry: Geometry) -> None:
    """Write the label map as NIfTI in the scan's own geometry; OSError if the disk is full.

    The field ``descrip`` of its header says what it is not for.
    """
    image = sitk.GetImageFromArray(draw_label_map(marks, geometry))
    image.SetOrigin(geometry.origin_xyz_mm)
    image.SetSpacing(geometry.spacing_xyz_mm)
    image.SetDirection(geometry.direction)
    image.SetMetaData("ITK_FileNotes", NOTICE)
    try:
        sitk.WriteImage(image, str(path))
    except RuntimeError:
        raise OSError(f"The label map cannot be written into {path.parent}. Is the disk full?") from None


def _is_within(mark: Mark, geometry: Geometry) -> npt.NDArray[np.bool_]:
    """Tell which voxels of a small grid have their centre in the ball; that of the middle always has."""
    places_zyx_vox = np.indices(geometry.size_zyx_vox).reshape(3, -1).T
    places_xyz_mm = np.array([geometry.voxel_to_world((z, y, x)) for z, y, x in places_zyx_vox.tolist()])
    distances_mm = np.linalg.norm(places_xyz_mm - mark.center_xyz_mm, axis=1).reshape(geometry.size_zyx_vox)
    return np.asarray(distances_mm <= max(mark.diameter_mm / 2, float(distances_mm.min())))
