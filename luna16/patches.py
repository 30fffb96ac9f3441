"""Cut the cube around a candidate out of a scan, and make it ready for the network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.annotations import Candidate, Nodule
from luna16.config import DataConfig
from luna16.geometry import AXIAL_DIRECTION, Vector3
from luna16.scan import Int16Array, Scan, ScanFile, load_scan, make_image

if TYPE_CHECKING:  # the processes that cut need no torch, which takes two seconds to import
    import torch

CUTTING_VERSION = 2  # raise it when the same scan and settings give other patches: they are then cut anew
MAX_TILT = 1e-6

FloatArray = npt.NDArray[np.float64]
Voxels = npt.NDArray[np.float32]


def cut_scan(
    file: ScanFile, candidates: Sequence[Candidate], nodules: Sequence[Nodule], config: DataConfig
) -> Int16Array:
    """Read a scan and cut the patches of its candidates, int16 HU of shape (N, D, H, W).

    Raises ValueError, which names the scan by its place, if it cannot be read, or if a candidate or nodule
    lies outside it.
    """
    scan = load_scan(file)
    _check_inside(file, scan, "annotations.csv", nodules)
    _check_inside(file, scan, "candidates_V2.csv", candidates)
    patches_hu = np.empty((len(candidates), *[config.patch_size_vox] * 3), np.int16)
    for row, candidate in enumerate(candidates):
        patches_hu[row] = extract_patch(scan, candidate.center_xyz_mm, config)
    return patches_hu


def extract_patch(scan: Scan, center_xyz_mm: Vector3, config: DataConfig) -> Int16Array:
    """Cut the cube around a candidate and interpolate it linearly along the world's axes.

    The cube has ``config.patch_size_vox`` voxels of ``config.patch_spacing_mm`` a side. HU are clipped to the
    window before, so that neither padding of -3024 nor metal bleeds into its neighbours. Parts outside the
    scan are ``config.hu_min``, so the candidate is always in the middle.

    Returns int16 HU of shape (D, H, W). Raises ValueError if the centre lies outside the scan.
    """
    if not scan.geometry.contains(center_xyz_mm):
        raise ValueError("The centre lies outside its scan.")
    if is_upright(scan):
        return interpolate_by_axis(scan, center_xyz_mm, config)
    return resample(scan, center_xyz_mm, config)


def is_upright(scan: Scan) -> bool:
    """Tell whether the scan's z, y and x run along the world's, forwards or backwards, as all of LUNA16's."""
    tilt = np.abs(np.reshape(scan.geometry.direction, (3, 3))) - np.eye(3)
    return bool((np.abs(tilt) < MAX_TILT).all())


def interpolate_by_axis(scan: Scan, center_xyz_mm: Vector3, config: DataConfig) -> Int16Array:
    """Cut a patch from an upright scan, one axis after the other: the fast way.

    Every step is elementwise, so that the result is the same on every machine and number of threads.
    """
    half_mm = _half_side_mm(config)
    x_mm, y_mm, z_mm = center_xyz_mm
    first = scan.geometry.world_to_voxel((x_mm - half_mm, y_mm - half_mm, z_mm - half_mm))
    last = scan.geometry.world_to_voxel((x_mm + half_mm, y_mm + half_mm, z_mm + half_mm))
    positions = [np.linspace(*ends, config.patch_size_vox) for ends in zip(first, last, strict=True)]
    z, y, x = (_span(*each) for each in zip(positions, scan.voxels_hu.shape, strict=True))
    above_air = scan.voxels_hu[z, y, x].clip(config.hu_min, config.hu_max).astype(np.float32) - config.hu_min
    for axis, start in ((1, y.start), (2, x.start), (0, z.start)):  # the thick slices last: less to compute
        above_air = _interpolate(above_air, positions[axis], start, scan.voxels_hu.shape[axis], axis)
    return (np.rint(above_air) + config.hu_min).astype(np.int16)


def resample(scan: Scan, center_xyz_mm: Vector3, config: DataConfig) -> Int16Array:
    """Cut a patch with SimpleITK, from a scan of any direction.

    It drops fractions of HU where ``interpolate_by_axis`` rounds them: the two differ by at most 1 HU.
    """
    window = scan.geometry.window_around(center_xyz_mm, config.patch_size_vox * config.patch_spacing_mm)
    crop_hu = scan.voxels_hu[window].clip(config.hu_min, config.hu_max)
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)  # a patch is too small to be worth sharing out
    resampler.SetSize([config.patch_size_vox] * 3)
    resampler.SetOutputSpacing([config.patch_spacing_mm] * 3)
    resampler.SetOutputOrigin([center_mm - _half_side_mm(config) for center_mm in center_xyz_mm])
    resampler.SetOutputDirection(AXIAL_DIRECTION)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(config.hu_min)
    image = resampler.Execute(make_image(crop_hu, scan.geometry.crop(window)))
    patch_hu: Int16Array = sitk.GetArrayFromImage(image)
    return patch_hu


def scale_patches(patches_hu: Int16Array, config: DataConfig, device: "torch.device") -> "torch.Tensor":
    """Scale int16 HU of shape (B, D, H, W) to float32 of shape (B, 1, D, H, W), [0, 1] over the HU window."""
    import torch  # noqa: PLC0415 - see above

    patches = torch.from_numpy(patches_hu).to(device).float().unsqueeze(1)
    return patches.sub_(config.hu_min).div_(config.hu_max - config.hu_min).clamp_(0, 1)


def _check_inside(file: ScanFile, scan: Scan, table: str, findings: Sequence[Candidate | Nodule]) -> None:
    for finding in findings:
        if not scan.geometry.contains(finding.center_xyz_mm):
            raise ValueError(
                f"{file.place}: {table}, line {finding.line_no}: The centre lies outside its scan."
            )


def _half_side_mm(config: DataConfig) -> float:
    return (config.patch_size_vox - 1) / 2 * config.patch_spacing_mm


def _span(positions: FloatArray, size_vox: int) -> slice:
    """Give the voxels of one axis between which to interpolate, at least the one nearest to the border."""
    start = min(max(0, int(np.floor(positions.min()))), size_vox - 1)
    return slice(start, max(start + 1, min(size_vox, int(np.ceil(positions.max())) + 1)))


def _interpolate(values: Voxels, positions: FloatArray, start: int, size_vox: int, axis: int) -> Voxels:
    """Interpolate along one axis, whose first value is voxel ``start`` of ``size_vox``; 0 beyond the scan."""
    inside = positions.clip(0, size_vox - 1) - start
    low = np.floor(inside).astype(np.intp)
    high = (low + 1).clip(max=values.shape[axis] - 1)
    column = tuple(-1 if i == axis else 1 for i in range(3))
    result: Voxels = values.take(low, axis)
    result += (values.take(high, axis) - result) * (inside - low).astype(np.float32).reshape(column)
    is_outside = (positions < -0.5) | (positions > size_vox - 0.5)
    result *= ~is_outside.reshape(column)
    return result
