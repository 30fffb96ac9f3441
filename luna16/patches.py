"""Cut the cube around a candidate out of a scan, and make it ready for the network."""

import SimpleITK as sitk  # noqa: N813
import torch
from torch import Tensor

from luna16.config import DataConfig
from luna16.geometry import AXIAL_DIRECTION, Vector3
from luna16.scan import Int16Array, Scan, make_image


def extract_patch(scan: Scan, center_xyz_mm: Vector3, config: DataConfig) -> Int16Array:
    """Cut the cube around a candidate and resample it along the world's axes.

    The cube has ``config.patch_size_vox`` voxels of ``config.patch_spacing_mm`` a side. HU are clipped to the
    window before resampling, so that neither padding of -3024 nor metal bleeds into its neighbours. Parts
    outside the scan are ``config.hu_min``, so the candidate is always in the middle.

    Returns int16 HU of shape (D, H, W). Raises ValueError if the centre lies outside the scan.
    """
    if not scan.geometry.contains(center_xyz_mm):
        raise ValueError("The centre lies outside its scan.")
    window = scan.geometry.window_around(center_xyz_mm, config.patch_size_vox * config.patch_spacing_mm)
    crop_hu = scan.voxels_hu[window].clip(config.hu_min, config.hu_max)
    return _resample(make_image(crop_hu, scan.geometry.crop(window)), center_xyz_mm, config)


def scale_patches(patches_hu: Int16Array, config: DataConfig, device: torch.device) -> Tensor:
    """Scale int16 HU of shape (B, D, H, W) to float32 of shape (B, 1, D, H, W), [0, 1] over the HU window."""
    patches = torch.from_numpy(patches_hu).to(device).float().unsqueeze(1)
    return ((patches - config.hu_min) / (config.hu_max - config.hu_min)).clamp(0, 1)


def _resample(image: sitk.Image, center_xyz_mm: Vector3, config: DataConfig) -> Int16Array:
    half_side_mm = (config.patch_size_vox - 1) / 2 * config.patch_spacing_mm
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)  # a patch is too small to be worth sharing out
    resampler.SetSize([config.patch_size_vox] * 3)
    resampler.SetOutputSpacing([config.patch_spacing_mm] * 3)
    resampler.SetOutputOrigin([center_mm - half_side_mm for center_mm in center_xyz_mm])
    resampler.SetOutputDirection(AXIAL_DIRECTION)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(config.hu_min)
    patch_hu: Int16Array = sitk.GetArrayFromImage(resampler.Execute(image))
    return patch_hu
