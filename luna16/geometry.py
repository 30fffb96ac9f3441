"""Where a voxel lies in the world: the only place that changes between the two frames.

World positions are millimetres in x, y, z (patient left, posterior, superior: LPS). Voxel positions
are array indices in z, y, x, with the centre of the first voxel at (0, 0, 0).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Vector3 = tuple[float, float, float]
Size3 = tuple[int, int, int]
FloatArray = npt.NDArray[np.float64]
Direction = tuple[float, float, float, float, float, float, float, float, float]

AXIAL_DIRECTION: Direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """The grid of one scan; ``direction`` is its row-major 3x3 matrix, as in the MetaImage header."""

    origin_xyz_mm: Vector3
    spacing_xyz_mm: Vector3
    direction: Direction
    size_zyx_vox: Size3

    def world_to_voxel(self, center_xyz_mm: Vector3) -> Vector3:
        """Give the z, y, x voxel position (with its fraction) of a world position."""
        offset_xyz_mm = np.subtract(center_xyz_mm, self.origin_xyz_mm)
        x, y, z = np.linalg.solve(self._voxel_axes_mm(), offset_xyz_mm)
        return float(z), float(y), float(x)

    def voxel_to_world(self, center_zyx_vox: Vector3) -> Vector3:
        """Give the x, y, z world position in mm of a voxel position."""
        x, y, z = self.origin_xyz_mm + self._voxel_axes_mm() @ np.array(center_zyx_vox[::-1])
        return float(x), float(y), float(z)

    def contains(self, center_xyz_mm: Vector3) -> bool:
        """Tell whether a world position lies in one of the scan's voxels."""
        center_zyx_vox = self.world_to_voxel(center_xyz_mm)
        return all(-0.5 <= i <= n - 0.5 for i, n in zip(center_zyx_vox, self.size_zyx_vox, strict=True))

    def to_voxels(self, centers_xyz_mm: FloatArray) -> FloatArray:
        """Give the z, y, x voxel positions of many world positions; both of shape (N, 3)."""
        offsets_xyz_mm = np.reshape(centers_xyz_mm, (-1, 3)) - self.origin_xyz_mm
        return np.asarray(np.linalg.solve(self._voxel_axes_mm(), offsets_xyz_mm.T).T[:, ::-1])

    def contains_each(self, centers_xyz_mm: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell of each world position, of shape (N, 3), whether it lies in one of the scan's voxels."""
        centers_zyx_vox = self.to_voxels(centers_xyz_mm)
        last_zyx_vox = np.array(self.size_zyx_vox) - 0.5
        return np.asarray(((centers_zyx_vox >= -0.5) & (centers_zyx_vox <= last_zyx_vox)).all(axis=1))

    def window_around(self, center_xyz_mm: Vector3, side_mm: float) -> tuple[slice, slice, slice]:
        """Give the z, y, x voxels needed to resample the world-aligned cube of ``side_mm`` around a centre.

        Two voxels beyond the cube are included for the interpolation; the window ends at the scan's border.
        """
        signs = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3), axis=-1).reshape(-1, 3)
        corners_zyx_vox = [self.world_to_voxel(_shift(center_xyz_mm, sign * side_mm)) for sign in signs]
        first = np.floor(np.min(corners_zyx_vox, axis=0)).astype(int) - 2
        last = np.ceil(np.max(corners_zyx_vox, axis=0)).astype(int) + 2
        z, y, x = (
            slice(max(0, start), min(size, stop + 1))
            for start, stop, size in zip(first.tolist(), last.tolist(), self.size_zyx_vox, strict=True)
        )
        return z, y, x

    def crop(self, window_zyx_vox: tuple[slice, slice, slice]) -> "Geometry":
        """Give the geometry of the voxels in a window."""
        z, y, x = window_zyx_vox
        return replace(
            self,
            origin_xyz_mm=self.voxel_to_world((z.start, y.start, x.start)),
            size_zyx_vox=(z.stop - z.start, y.stop - y.start, x.stop - x.start),
        )

    def _voxel_axes_mm(self) -> npt.NDArray[np.float64]:
        """Give a 3x3 matrix; column i is the step in mm from one voxel to the next along x, y, z."""
        axes: npt.NDArray[np.float64] = np.reshape(self.direction, (3, 3)) * np.array(self.spacing_xyz_mm)
        return axes


def _shift(center_xyz_mm: Vector3, step_xyz_mm: npt.NDArray[np.float64]) -> Vector3:
    x, y, z = (np.asarray(center_xyz_mm) + step_xyz_mm).tolist()
    return x, y, z
