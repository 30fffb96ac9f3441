"""Propose the places that may be nodules: bright blobs in the lungs, of 4 to 30 mm.

The scan is smoothed at several scales (Lindeberg 1998, https://doi.org/10.1023/A:1008045108935). A blob is a
local maximum of the Laplacian. It ranks by the eigenvalues of its Hessian: by the smallest curvature, which
is near 0 along a vessel and on a plate, and by how near that is to the largest (after Li, Sawchuk and Doi
2003, https://doi.org/10.1118/1.1581411).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.detection.lungs import BoolArray, Lungs
from luna16.detection.stages import OnStep
from luna16.geometry import Vector3
from luna16.scan import Int16Array, Scan

Voxels = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

MAX_CANDIDATES = 150
SCALES_VOX = ((1, 1.2), (1, 1.7), (1, 2.4), (2, 1.7), (2, 2.4), (2, 3.4), (2, 4.8))
"""How much the scan is shrunken, and the scale in voxels of that: a ball answers most to radius / sqrt(3)."""
SOLID_FROM_HU = -550
SMALLEST_LAPLACIAN = 0.05
MARGIN_VOX = 8
SAME_BLOB_RADII = 0.8
SAME_BLOB_MM = 2.0
TINY = 1e-9


@dataclass(frozen=True)
class Blob:
    """A place that may be a nodule; ``response`` is 0.2 to 0.4 for a free ball and less for all else."""

    center_xyz_mm: Vector3
    radius_mm: float
    response: float


@dataclass(frozen=True, eq=False)
class _Maxima:
    """The maxima of one scale: z, y, x of shape (N, 3) in voxels of the box, radii and responses (N,)."""

    centers_zyx_vox: FloatArray
    radii_vox: FloatArray
    responses: FloatArray


def find_blobs(scan: Scan, lungs: Lungs, *, on_step: OnStep | None = None) -> list[Blob]:
    """Propose at most MAX_CANDIDATES places, the likeliest first, in an upright scan of even spacing."""
    box = _box_around(lungs.mask)
    geometry = scan.geometry.crop(box)
    spacing_mm = geometry.spacing_xyz_mm[0]
    fill = fill_of(scan.voxels_hu[box], lungs.weights[box], lungs.background_hu)
    maxima = _rank(list(_find_maxima(fill, lungs.mask[box], on_step)))
    return [
        Blob(geometry.voxel_to_world((z, y, x)), radius * spacing_mm, response)
        for (z, y, x), radius, response in zip(
            maxima.centers_zyx_vox.tolist(),
            maxima.radii_vox.tolist(),
            maxima.responses.tolist(),
            strict=True,
        )
    ]


def fill_of(voxels_hu: Int16Array, weights: Voxels, background_hu: float) -> Voxels:
    """Say how far each voxel is filled with tissue, from 0, as lung, to 1, from SOLID_FROM_HU on.

    So a ground-glass nodule is little fainter than a solid one. By the ``weights`` it fades to none outside
    the lungs, so that a nodule on the pleura stands free.
    """
    fill = (voxels_hu - np.float32(background_hu)) / np.float32(SOLID_FROM_HU - background_hu)
    np.clip(fill, 0, 1, out=fill)
    fill *= weights
    return fill


def _find_maxima(fill: Voxels, mask: BoolArray, on_step: OnStep | None) -> Iterator[_Maxima]:
    levels = {1: (fill, mask), 2: (_shrink(fill), mask[::2, ::2, ::2])}
    for step, (shrink, scale_vox) in enumerate(SCALES_VOX, start=1):
        level, inside = levels[shrink]
        yield _find_maxima_at(level, inside, scale_vox, shrink)
        if on_step:
            on_step(step, len(SCALES_VOX))


def _find_maxima_at(fill: Voxels, mask: BoolArray, scale_vox: float, shrink: int) -> _Maxima:
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(fill), scale_vox))
    laplacian = _laplacian(smooth)
    laplacian *= np.float32(scale_vox**2)
    places = _keep_maxima(laplacian, np.argwhere((laplacian > SMALLEST_LAPLACIAN) & mask))
    responses = _roundness(_curvatures(smooth, places)) * scale_vox**2
    return _Maxima(
        centers_zyx_vox=(places.astype(np.float64) + 0.5) * shrink - 0.5,
        radii_vox=np.full(len(places), scale_vox * shrink * np.sqrt(3)),
        responses=responses,
    )


def _rank(scales: list[_Maxima]) -> _Maxima:
    """Give the best maxima of all scales, each blob once."""
    centers_zyx_vox = np.concatenate([each.centers_zyx_vox for each in scales])
    radii_vox = np.concatenate([each.radii_vox for each in scales])
    responses = np.concatenate([each.responses for each in scales])
    kept: list[int] = []
    left = np.argsort(-responses, kind="stable")
    left = left[responses[left] > 0]
    while len(left) and len(kept) < MAX_CANDIDATES:
        best = left[0]
        kept.append(best)
        reach_vox = max(SAME_BLOB_RADII * radii_vox[best], SAME_BLOB_MM)
        left = left[np.linalg.norm(centers_zyx_vox[left] - centers_zyx_vox[best], axis=1) >= reach_vox]
    return _Maxima(centers_zyx_vox[kept], radii_vox[kept], responses[kept])


def _box_around(mask: BoolArray) -> tuple[slice, slice, slice]:
    """Give the part of the volume that holds the mask, with a margin for the smoothing."""
    z, y, x = (
        slice(max(0, int(inside[0]) - MARGIN_VOX), int(inside[-1]) + 1 + MARGIN_VOX)
        for inside in (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    )
    return z, y, x


def _shrink(fill: Voxels) -> Voxels:
    """Average cubes of 2 voxels; an odd last layer is repeated."""
    padded: Voxels = np.pad(fill, [(0, size % 2) for size in fill.shape], mode="edge")
    for axis in range(3):
        even, odd = (padded.take(np.arange(first, padded.shape[axis], 2), axis) for first in (0, 1))
        padded = np.asarray((even + odd) / 2, np.float32)
    return padded


def _laplacian(values: Voxels) -> Voxels:
    """Give the negative Laplacian by differences, positive in bright blobs; 0 at the border."""
    inner = values[1:-1, 1:-1, 1:-1]
    result = np.zeros_like(values)
    middle = result[1:-1, 1:-1, 1:-1]
    np.multiply(inner, 6, out=middle)
    for axis in range(3):
        for step in (0, 2):
            shifted = [slice(1, -1)] * 3
            shifted[axis] = slice(step, values.shape[axis] - 2 + step)
            middle -= values[tuple(shifted)]
    return result


def _keep_maxima(values: Voxels, places: IntArray) -> IntArray:
    """Keep those of the places, z, y, x of shape (N, 3), that none of their 26 neighbours exceeds."""
    for offset in np.argwhere(np.ones((3, 3, 3))) - 1:
        neighbours = places + offset
        places = places[values[tuple(places.T)] >= values[tuple(neighbours.T)]]
    return places


def _roundness(curvatures: FloatArray) -> FloatArray:
    """Give the smallest curvature times the root of its share of the largest; 0 where it is no peak."""
    smallest, largest = curvatures[:, 0].clip(min=0), curvatures[:, 2]
    return np.asarray(smallest * np.sqrt(smallest / largest.clip(min=TINY)))


def _curvatures(smooth: Voxels, places: IntArray) -> FloatArray:
    """Give the three curvatures at each place, rising: how the values fall off along the main axes."""
    around = [smooth[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] for z, y, x in places]
    cubes = np.asarray(around, np.float64).reshape(-1, 3, 3, 3)
    hessians = np.empty((len(cubes), 3, 3), np.float64)
    for i in range(3):
        for j in range(3):
            hessians[:, i, j] = _second_derivative(cubes, i, j)
    return np.asarray(np.linalg.eigvalsh(-hessians), np.float64)


def _second_derivative(cubes: FloatArray, i: int, j: int) -> FloatArray:
    """Give the second derivative along the axes i and j in the middle of each cube of 3 voxels a side."""
    first, second = np.eye(3, dtype=int)[[i, j]]

    def at(offset: IntArray) -> FloatArray:
        z, y, x = 1 + offset
        return cubes[:, z, y, x]

    if i == j:
        return at(first) + at(-first) - 2 * at(0 * first)
    return (at(first + second) + at(-first - second) - at(first - second) - at(second - first)) / 4
