"""Measure a nodule: where its middle lies and how large it is.

Rays go out from the middle, evenly in all directions, until the tissue has faded to half of what it is at
the core. A vessel that hangs on a nodule takes few rays, and these are cut short; rays that reach the pleura
say nothing of the nodule.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from luna16.detection.candidates import Blob, FloatArray, Voxels
from luna16.detection.lungs import BoolArray, Lungs
from luna16.geometry import Vector3
from luna16.scan import Scan

NUM_RAYS = 200
STEP_VOX = 0.25
REACH_RADII = 1.6
CORE_RADII = 0.5
SMALLEST_CORE_VOX = 1.0
NUM_CORE_SHELLS = 4
SMALLEST_CONTRAST_HU = 50.0
LONGEST_IN_MEDIANS = 1.5
FEWEST_FREE = 0.3
FREE_TO_MOVE = 0.85


class Surroundings(NamedTuple):
    """Voxels around a blob: how much brighter than lung they are in HU, and which lie in the lungs."""

    contrast_hu: Voxels
    mask: BoolArray


class Rays(NamedTuple):
    """The lengths of all rays in voxels, and which of them end in the lungs; both of shape (NUM_RAYS,)."""

    lengths_vox: FloatArray
    is_free: BoolArray


def measure_blob(scan: Scan, lungs: Lungs, blob: Blob) -> tuple[Vector3, float]:
    """Give centre and diameter, in mm, of the nodule that a blob is, in an upright scan of even spacing.

    The diameter is that of the ball of the volume that the free rays span. The centre moves to the middle of
    that volume, unless the pleura cuts many rays.
    """
    spacing_mm = scan.geometry.spacing_xyz_mm[0]
    radius_vox = blob.radius_mm / spacing_mm
    window = scan.geometry.window_around(blob.center_xyz_mm, 2 * (REACH_RADII + 1) * blob.radius_mm)
    geometry = scan.geometry.crop(window)
    around = Surroundings(scan.voxels_hu[window] - np.float32(lungs.background_hu), lungs.mask[window])
    center_zyx_vox = np.array(geometry.world_to_voxel(blob.center_xyz_mm))
    rays = cast_rays(around, center_zyx_vox, radius_vox)
    if rays.is_free.mean() >= FREE_TO_MOVE:
        center_zyx_vox += _find_middle(rays.lengths_vox).clip(-radius_vox / 2, radius_vox / 2)
        rays = cast_rays(around, center_zyx_vox, radius_vox)
    counted = rays.is_free if rays.is_free.mean() > FEWEST_FREE else np.ones(NUM_RAYS, bool)
    z, y, x = center_zyx_vox.tolist()
    diameter_mm = 2 * float(np.cbrt((rays.lengths_vox[counted] ** 3).mean())) * spacing_mm
    return geometry.voxel_to_world((z, y, x)), diameter_mm


def cast_rays(around: Surroundings, center_zyx_vox: FloatArray, radius_vox: float) -> Rays:
    """Send rays out from a place until the contrast falls below half of the core's or the lungs end.

    ``radius_vox`` is a guess: the core is the inner half of that ball, and no ray is longer than 1.6 radii.
    """
    directions = _spread_evenly(NUM_RAYS)
    core_vox = np.linspace(0, max(CORE_RADII * radius_vox, SMALLEST_CORE_VOX), NUM_CORE_SHELLS)
    core_hu = np.median(
        _interpolate(around.contrast_hu, center_zyx_vox + np.multiply.outer(core_vox, directions))
    )
    steps_vox = np.arange(0, REACH_RADII * radius_vox + 1.5, STEP_VOX)
    places = center_zyx_vox + np.multiply.outer(steps_vox, directions)
    is_dark = _interpolate(around.contrast_hu, places) < max(float(core_hu), SMALLEST_CONTRAST_HU) / 2
    is_outside = _interpolate(around.mask.astype(np.float32), places) < 0.5
    is_dark[-1] = True  # where each ray ends at the latest
    ends = (is_dark | is_outside).argmax(axis=0)
    lengths_vox = np.maximum(steps_vox[ends] - STEP_VOX / 2, STEP_VOX / 2)
    is_free = ~is_outside[ends, np.arange(NUM_RAYS)]
    longest_vox = LONGEST_IN_MEDIANS * np.median(lengths_vox[is_free] if is_free.any() else lengths_vox)
    return Rays(np.minimum(lengths_vox, longest_vox), is_free)


def _spread_evenly(number: int) -> FloatArray:
    """Give unit vectors on a spiral from pole to pole; z, y, x of shape (N, 3)."""
    place = np.arange(number) + 0.5
    z, angle = 1 - 2 * place / number, np.pi * (1 + np.sqrt(5)) * place
    return np.stack([z, np.sqrt(1 - z * z) * np.sin(angle), np.sqrt(1 - z * z) * np.cos(angle)], axis=1)


def _find_middle(lengths_vox: FloatArray) -> FloatArray:
    """Give the centre of mass, from the middle, of the body that rays of these lengths span."""
    moments = (_spread_evenly(len(lengths_vox)) * (lengths_vox**4)[:, None]).mean(axis=0)
    middle: FloatArray = 3 / 4 * moments / (lengths_vox**3).mean()
    return middle


def _interpolate(values: Voxels, places_zyx_vox: FloatArray) -> Voxels:
    """Interpolate linearly at places, z, y, x in the last axis; beyond the border as at it."""
    scaled = places_zyx_vox.reshape(1, 1, 1, -1, 3) * (2 / (np.array(values.shape) - 1)) - 1
    found = functional.grid_sample(
        torch.from_numpy(values)[None, None],
        torch.from_numpy(scaled[..., ::-1].astype(np.float32)),
        padding_mode="border",
        align_corners=True,
    )
    result: Voxels = found.numpy().reshape(places_zyx_vox.shape[:-1])
    return result
