"""Shapes of the phantom, and the canvas on which they are painted.

Everything here is in the phantom's own frame: z, y, x in mm from the middle of the volume (``_zyx_mm``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from luna16.geometry import Size3, Vector3

FloatArray = npt.NDArray[np.float64]
Voxels = npt.NDArray[np.float32]
Offsets = tuple[Voxels, Voxels, Voxels]
Box = tuple[slice, slice, slice]


class Shape(Protocol):
    """A solid that can be painted."""

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """Give the lowest and highest corner of a box around the shape, z, y, x in mm."""

    def distance_mm(self, z_mm: Voxels, y_mm: Voxels, x_mm: Voxels) -> Voxels:
        """Give the distance from the surface at each place of a grid, negative inside."""


@dataclass(frozen=True, eq=False)
class Tube:
    """A tapered tube with round ends."""

    start_zyx_mm: FloatArray
    end_zyx_mm: FloatArray
    start_radius_mm: float
    end_radius_mm: float

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """Give the corners of the box around the tube."""
        radius_mm = max(self.start_radius_mm, self.end_radius_mm)
        ends = np.stack([self.start_zyx_mm, self.end_zyx_mm])
        return ends.min(axis=0) - radius_mm, ends.max(axis=0) + radius_mm

    def distance_mm(self, z_mm: Voxels, y_mm: Voxels, x_mm: Voxels) -> Voxels:
        """Give the distance from the tube's surface."""
        axis = (self.end_zyx_mm - self.start_zyx_mm).astype(np.float32)
        start = self.start_zyx_mm.astype(np.float32)
        z, y, x = z_mm - start[0], y_mm - start[1], x_mm - start[2]
        along = np.clip((z * axis[0] + y * axis[1] + x * axis[2]) / max(float(axis @ axis), 1e-6), 0, 1)
        squared = (z - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (x - along * axis[2]) ** 2
        radius = self.start_radius_mm + np.float32(self.end_radius_mm - self.start_radius_mm) * along
        distance: Voxels = np.sqrt(squared) - radius
        return distance


@dataclass(frozen=True, eq=False)
class Blob:
    """An ellipsoid whose surface is raised and lowered by a few waves.

    The rows of ``axes`` are its unit axes; each row of ``waves`` is a unit direction, and ``waviness`` their
    height as a share of the radius.
    """

    center_zyx_mm: FloatArray
    radii_mm: FloatArray
    axes: FloatArray
    waves: FloatArray
    waviness: float

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """Give the corners of the box around the blob."""
        radius_mm = self.radii_mm.max() * (1 + self.waviness * len(self.waves))
        return self.center_zyx_mm - radius_mm, self.center_zyx_mm + radius_mm

    def distance_mm(self, z_mm: Voxels, y_mm: Voxels, x_mm: Voxels) -> Voxels:
        """Give about the distance from the blob's surface, exact for a smooth ball."""
        center = self.center_zyx_mm.astype(np.float32)
        z, y, x = z_mm - center[0], y_mm - center[1], x_mm - center[2]
        scaled = (self.axes / self.radii_mm[:, None]).astype(np.float32)
        level = np.sqrt(sum((row[0] * z + row[1] * y + row[2] * x) ** 2 for row in scaled))
        length = np.sqrt(z * z + y * y + x * x) + np.float32(1e-6)
        for wave in self.waves.astype(np.float32):
            cosine = (wave[0] * z + wave[1] * y + wave[2] * x) / length
            level = level - np.float32(self.waviness) * cosine * (4 * cosine * cosine - 3)  # cos 3a
        distance: Voxels = (level - 1) * np.float32(self.radii_mm.min())
        return distance


class Canvas:
    """A volume in HU, float32 of shape (D, H, W), whose voxels at a shape's edge hold a part of it."""

    def __init__(self, size_zyx_vox: Size3, spacing_zyx_mm: Vector3, hu: float) -> None:
        self.voxels_hu: Voxels = np.full(size_zyx_vox, hu, dtype=np.float32)
        self.spacing_zyx_mm = np.array(spacing_zyx_mm)
        self.half_zyx_mm = (np.array(size_zyx_vox) - 1) / 2 * self.spacing_zyx_mm
        self._edge_mm = np.float32(self.spacing_zyx_mm.mean())

    def paint(self, shape: Shape, hu: float) -> None:
        """Fill a shape with ``hu``."""
        self._blend(shape, lambda old_hu: np.float32(hu) - old_hu)

    def brighten(self, shape: Shape, hu: float) -> None:
        """Fill a shape with ``hu`` where that is brighter: tissue shows in the lung but never cuts a wall."""
        self._blend(shape, lambda old_hu: np.maximum(np.float32(hu) - old_hu, 0))

    def grid_mm(self, box: Box = (slice(None), slice(None), slice(None))) -> Offsets:
        """Give the z, y and x positions of a box of voxels, shaped to be broadcast."""
        z, y, x = (
            ((np.arange(size) * step - half)[part]).astype(np.float32)
            for size, step, half, part in zip(
                self.voxels_hu.shape, self.spacing_zyx_mm, self.half_zyx_mm, box, strict=True
            )
        )
        return z[:, None, None], y[None, :, None], x[None, None, :]

    def voxel_position(self, place_zyx_mm: FloatArray) -> Vector3:
        """Give the z, y, x voxel position of a place on the canvas."""
        z, y, x = ((place_zyx_mm + self.half_zyx_mm) / self.spacing_zyx_mm).tolist()
        return z, y, x

    def occupancy(self, distance_mm: Voxels | FloatArray) -> Voxels:
        """Turn the distance from a surface into the share of a voxel that lies inside."""
        share = np.clip(np.float32(0.5) - distance_mm / self._edge_mm, 0, 1)
        return share.astype(np.float32, copy=False)

    def _blend(self, shape: Shape, change_hu: Callable[[Voxels], Voxels]) -> None:
        box = self._box_of(shape)
        voxels_hu = self.voxels_hu[box]
        voxels_hu += self.occupancy(shape.distance_mm(*self.grid_mm(box))) * change_hu(voxels_hu)

    def _box_of(self, shape: Shape) -> Box:
        low, high = shape.reach()
        first = np.floor((low - self._edge_mm + self.half_zyx_mm) / self.spacing_zyx_mm).astype(int)
        last = np.ceil((high + self._edge_mm + self.half_zyx_mm) / self.spacing_zyx_mm).astype(int)
        z, y, x = (
            slice(max(0, start), max(0, stop + 1))
            for start, stop in zip(first.tolist(), last.tolist(), strict=True)
        )
        return z, y, x


def unit(vector: FloatArray) -> FloatArray:
    """Scale a vector to length 1."""
    scaled: FloatArray = vector / np.linalg.norm(vector)
    return scaled


def random_direction(random: np.random.Generator) -> FloatArray:
    """Draw a unit vector, every direction alike."""
    return unit(random.normal(size=3))


def random_normal(direction: FloatArray, random: np.random.Generator) -> FloatArray:
    """Draw a unit vector at right angles to ``direction``."""
    return unit(np.cross(direction, random_direction(random)))
