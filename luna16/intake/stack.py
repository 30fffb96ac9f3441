"""Stack DICOM slices by where they lie, not by their names or numbers."""

import math
from collections.abc import Sequence

import numpy as np

from luna16.geometry import Direction, FloatArray, Geometry, Vector3
from luna16.intake.grid import oblique
from luna16.intake.slices import Grid, Slice

SAME_PLACE_MM = 0.01
UNEVEN_SHARE = 0.1
SHIFT_MM = 1.0
"""How far the last slice may lie beside the first, as positions are rounded; a tilt gives centimetres."""
ALIKE_WITHIN = 1e-3


def stack_slices(series: Sequence[Slice]) -> tuple[list[Slice], Geometry]:
    """Order slices along their normal, and give the grid that they make.

    Raises ValueError if they differ in size, spacing or axes, if two lie at one place, if a step is unlike
    the others, or if they are shifted sideways.
    """
    grids = [image.grid for image in series if image.grid is not None]
    _check_alike(series, grids)
    axes = grids[0].axes
    positions_xyz_mm = np.array([grid.position_xyz_mm for grid in grids])
    order = np.argsort(positions_xyz_mm @ axes[:, 2], kind="stable")
    offsets_mm = (positions_xyz_mm[order] - positions_xyz_mm[order[0]]) @ axes
    _check_steps(np.diff(offsets_mm[:, 2]))
    _check_shift(offsets_mm)
    step_y_mm, step_x_mm = grids[0].spacing_yx_mm
    geometry = Geometry(
        origin_xyz_mm=_vector(positions_xyz_mm[order[0]]),
        spacing_xyz_mm=(step_x_mm, step_y_mm, float(offsets_mm[-1, 2]) / (len(series) - 1)),
        direction=_direction(axes),
        size_zyx_vox=(len(series), *series[0].pixels.size_yx_vox),
    )
    return [series[i] for i in order], geometry


def _check_alike(series: Sequence[Slice], grids: Sequence[Grid]) -> None:
    """Raise ValueError if a slice has another size, spacing or axes than the first."""
    if len({image.pixels.size_yx_vox for image in series}) > 1:
        raise ValueError("The slices of the series differ in size: hand over one reconstruction.")
    numbers = np.array([(*grid.orientation, *grid.spacing_yx_mm) for grid in grids])
    if not np.allclose(numbers, numbers[0], rtol=0, atol=ALIKE_WITHIN):
        raise ValueError("The slices of the series differ in spacing or axes: hand over one reconstruction.")


def _check_steps(steps_mm: FloatArray) -> None:
    if doubled := int((steps_mm < SAME_PLACE_MM).sum()):
        raise ValueError(
            f"{doubled} slices lie where another one does: hand over one series, each slice once."
        )
    usual_mm = float(np.median(steps_mm))
    uneven = np.abs(steps_mm - usual_mm) > UNEVEN_SHARE * usual_mm
    if uneven.any():
        raise ValueError(
            f"Slices are missing or uneven: {uneven.sum()} of their steps are not {usual_mm:g} mm, "
            f"but {steps_mm[uneven].max():g} mm: "
            "hand over the series without gaps."
        )


def _check_shift(offsets_mm: FloatArray) -> None:
    shift_mm = np.abs(offsets_mm[:, :2]).max()
    if shift_mm > SHIFT_MM:
        tilt = math.degrees(math.atan2(shift_mm, offsets_mm[-1, 2]))
        raise ValueError(oblique(f" by {tilt:.1f} degrees"))


def _vector(values: Sequence[float]) -> Vector3:
    x, y, z = map(float, values)
    return x, y, z


def _direction(axes: FloatArray) -> Direction:
    a, b, c, d, e, f, g, h, i = axes.ravel().tolist()
    return a, b, c, d, e, f, g, h, i
