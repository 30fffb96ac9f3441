"""A chest CT of a few thousand voxels, written in every format that can be handed over."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.phantom import FLIPPED_DIRECTION
from luna16.scan import Int16Array, make_image

SIZE_ZYX_VOX = (18, 24, 28)
GEOMETRY = Geometry((-17.5, -12.25, 101.0), (0.75, 0.875, 2.5), AXIAL_DIRECTION, SIZE_ZYX_VOX)


def draw_chest() -> Int16Array:
    """Give padding, soft tissue and two lungs, with noise so that no two voxels are mistaken."""
    voxels_hu = np.full(SIZE_ZYX_VOX, -3024, np.int16)
    voxels_hu[:, 2:-2, 2:-2] = 40
    voxels_hu[2:-2, 6:-6, 5:12] = voxels_hu[2:-2, 6:-6, 16:23] = -850
    voxels_hu[8:10, 9:12, 7:10] = 60
    return voxels_hu + np.random.default_rng(7).integers(0, 30, SIZE_ZYX_VOX).astype(np.int16)


def make_ct(voxels: np.ndarray | None = None, geometry: Geometry = GEOMETRY) -> sitk.Image:
    """Give the image of the chest, or of other voxels in its place."""
    return make_image(draw_chest() if voxels is None else voxels, geometry)


def write_ct(path: Path, image: sitk.Image | None = None, *, compress: bool = False) -> Path:
    """Write an image, by default the chest, in the format that the name tells of."""
    sitk.WriteImage(make_ct() if image is None else image, str(path), compress)
    return path


def flip(image: sitk.Image) -> sitk.Image:
    """Give the same scan with x and y stored backwards, as its direction says."""
    flipped = sitk.Flip(image, [True, True, False])
    assert flipped.GetDirection() == FLIPPED_DIRECTION
    return flipped
