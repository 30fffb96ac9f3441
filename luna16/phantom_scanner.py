"""The scanners of the phantom's sites: how each turns the same anatomy into different voxels."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from luna16.phantom_shapes import Canvas, Voxels
from luna16.scan import Int16Array

LOWEST_HU, HIGHEST_HU = -1024, 3071


@dataclass(frozen=True)
class Scanner:
    """What differs from hospital to hospital; ranges are drawn from for each scan.

    ``kernel_passes`` is how often the image is smoothed (0 is a sharp kernel); ``noise_hu`` the standard
    deviation after it; ``padding_hu`` the value outside the field of view; ``is_flipped`` stores x and y
    backwards with a direction matrix that says so, as some LUNA16 scans do.
    """

    in_plane_spacing_mm: tuple[float, float]
    slice_spacing_mm: tuple[float, float]
    noise_hu: float
    kernel_passes: int
    offset_hu: float
    padding_hu: int
    is_flipped: bool
    is_compressed: bool


SCANNERS = (
    Scanner((1.35, 1.50), (1.4, 1.8), 25.0, 1, 0.0, -1024, is_flipped=False, is_compressed=False),
    Scanner((1.50, 1.65), (1.8, 2.4), 45.0, 0, 15.0, -2000, is_flipped=False, is_compressed=True),
    Scanner((1.30, 1.40), (1.2, 1.5), 18.0, 2, -20.0, -3024, is_flipped=True, is_compressed=False),
)

VENDORS = ("GE (phantom)", "Siemens (phantom)", "Philips (phantom)")


def vendor_of_site(site_no: int) -> str:
    """Name who might have made the scanner of a site; its variants are of the same vendor."""
    return VENDORS[site_no % len(VENDORS)]


def scanner_of_site(site_no: int) -> Scanner:
    """Give the scanner of a site, counted from 0; from the fourth on they are variants of the first three."""
    base = SCANNERS[site_no % len(SCANNERS)]
    generation = site_no // len(SCANNERS)
    if generation == 0:
        return base
    random = np.random.default_rng(site_no)
    return replace(
        base,
        noise_hu=base.noise_hu * random.uniform(0.7, 1.4),
        offset_hu=base.offset_hu + random.uniform(-15, 15),
        kernel_passes=(base.kernel_passes + generation) % 3,
        is_flipped=base.is_flipped != bool(generation % 2),
    )


def acquire(canvas: Canvas, scanner: Scanner, random: np.random.Generator) -> Int16Array:
    """Give the scanner's image of what is painted on the canvas, int16 HU of shape (D, H, W)."""
    noise = random.standard_normal(canvas.voxels_hu.shape, dtype=np.float32)
    image_hu = canvas.voxels_hu
    for _ in range(scanner.kernel_passes):
        image_hu, noise = smooth(image_hu), smooth(noise)
    image_hu = image_hu + noise * np.float32(scanner.noise_hu / noise.std()) + np.float32(scanner.offset_hu)
    voxels_hu = np.rint(image_hu).clip(LOWEST_HU, HIGHEST_HU).astype(np.int16)
    voxels_hu[:, _is_outside_view(canvas)] = scanner.padding_hu
    return voxels_hu


def smooth(voxels: Voxels) -> Voxels:
    """Average each voxel with its neighbours along each axis, by weights of 1/4, 1/2 and 1/4."""
    for axis in range(3):
        voxels = np.moveaxis(voxels, axis, 0)
        inner = (voxels[:-2] + voxels[2:]) / 4 + voxels[1:-1] / 2
        voxels = np.moveaxis(np.concatenate([voxels[:1], inner, voxels[-1:]]), 0, axis)
    return voxels


def _is_outside_view(canvas: Canvas) -> npt.NDArray[np.bool_]:
    _, y_mm, x_mm = canvas.grid_mm()
    is_outside: npt.NDArray[np.bool_] = np.hypot(y_mm, x_mm)[0] > canvas.half_zyx_mm[1:].min()
    return is_outside
