"""Bring a scan into the one order that everything in this package works in.

Voxels of an upright scan run to the patient's left, back and head (LPS) and its axes are the world's, so that
the same patient gives the same nodules however the scan is stored.
"""

import numpy as np
import SimpleITK as sitk  # noqa: N813

from luna16.geometry import AXIAL_DIRECTION, Geometry, Vector3
from luna16.scan import Int16Array, Scan, make_image

AIR_HU = -1000
HIGHEST_HU = 1000
OBLIQUE_FROM = 1e-4  # over a whole scan this tilt moves a voxel by 0.05 mm; NIfTI rounds by 1e-7


def make_upright(scan: Scan) -> Scan:
    """Give the scan in upright order: turned and flipped exactly, and resampled only if it is oblique."""
    if scan.geometry.direction == AXIAL_DIRECTION:
        return scan
    image = sitk.DICOMOrient(make_image(scan.voxels_hu, scan.geometry), "LPS")
    tilt = np.abs(np.subtract(image.GetDirection(), AXIAL_DIRECTION)).max()
    if tilt > OBLIQUE_FROM:
        image = _resample(sitk.Clamp(image, lowerBound=AIR_HU), image.GetSpacing())
    image.SetDirection(AXIAL_DIRECTION)
    return _as_scan(scan.series_uid, image)


def resample_evenly(scan: Scan, spacing_mm: float) -> Scan:
    """Give the upright scan with voxels of the same spacing each way; beyond its border there is air."""
    image = make_image(scan.voxels_hu.clip(AIR_HU, HIGHEST_HU), scan.geometry)
    return _as_scan(scan.series_uid, _resample(image, (spacing_mm,) * 3))


def _resample(image: sitk.Image, spacing_xyz_mm: Vector3) -> sitk.Image:
    """Interpolate linearly on the axial grid that encloses all of the image's voxels."""
    last = np.array(image.GetSize()) - 1
    corners = np.stack(np.meshgrid(*[(0, 1)] * 3), axis=-1).reshape(-1, 3) * last
    corners_xyz_mm = np.array([image.TransformIndexToPhysicalPoint(corner.tolist()) for corner in corners])
    first_xyz_mm, sides_mm = corners_xyz_mm.min(axis=0), np.ptp(corners_xyz_mm, axis=0)
    size_xyz_vox = np.floor(sides_mm / spacing_xyz_mm + 1e-6).astype(int) + 1
    return sitk.Resample(
        image,
        size_xyz_vox.tolist(),
        sitk.Transform(),
        sitk.sitkLinear,
        first_xyz_mm.tolist(),
        spacing_xyz_mm,
        AXIAL_DIRECTION,
        AIR_HU,
    )


def _as_scan(series_uid: str, image: sitk.Image) -> Scan:
    width, height, depth = image.GetSize()
    geometry = Geometry(image.GetOrigin(), image.GetSpacing(), image.GetDirection(), (depth, height, width))
    voxels_hu: Int16Array = sitk.GetArrayFromImage(image)
    return Scan(series_uid, voxels_hu, geometry)
