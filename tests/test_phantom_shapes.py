"""Shapes have the size they say, and tissue never cuts a wall."""

import numpy as np
import pytest

from luna16.phantom_shapes import Blob, Canvas, Shape, Tube, random_direction, random_normal


def make_canvas() -> Canvas:
    return Canvas((40, 40, 40), (1.0, 0.5, 0.5), -1000.0)


def make_ball(radius_mm: float = 5.0, center_zyx_mm: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Blob:
    return Blob(np.array(center_zyx_mm), np.full(3, radius_mm), np.eye(3), np.empty((0, 3)), 0.0)


def make_tube() -> Tube:
    return Tube(np.array([-10.0, 0.0, 0.0]), np.array([10.0, 0.0, 0.0]), 3.0, 3.0)


def volume_mm3(canvas: Canvas) -> float:
    """Give the painted volume, voxels at the edge counted by the share that is painted."""
    return float((canvas.voxels_hu + 1000).sum() / 1000 * canvas.spacing_zyx_mm.prod())


@pytest.mark.parametrize(
    ("shape", "expected_mm3"),
    [(make_ball(), 4 / 3 * np.pi * 5**3), (make_tube(), np.pi * 3**2 * 20 + 4 / 3 * np.pi * 3**3)],
)
def test_painted_volume_is_that_of_the_shape(shape: Shape, expected_mm3: float) -> None:
    canvas = make_canvas()
    canvas.paint(shape, 0.0)
    assert volume_mm3(canvas) == pytest.approx(expected_mm3, rel=0.03)


def test_shape_is_painted_at_its_place() -> None:
    canvas = make_canvas()
    canvas.paint(make_ball(3.0, (8.0, -4.0, 2.0)), 40.0)
    center = tuple(round(i) for i in canvas.voxel_position(np.array([8.0, -4.0, 2.0])))
    assert canvas.voxels_hu[center] == 40
    assert canvas.voxels_hu[0, 0, 0] == -1000


def test_tissue_in_a_wall_leaves_the_wall_as_it_is() -> None:
    canvas = make_canvas()
    canvas.paint(make_ball(9.0), 300.0)
    before = canvas.voxels_hu.copy()
    canvas.brighten(make_ball(5.0), 40.0)
    np.testing.assert_array_equal(canvas.voxels_hu, before)


def test_shape_outside_the_canvas_paints_nothing() -> None:
    canvas = make_canvas()
    canvas.paint(make_ball(5.0, (500.0, 0.0, 0.0)), 0.0)
    canvas.paint(make_ball(5.0, (-500.0, 0.0, 0.0)), 0.0)
    assert (canvas.voxels_hu == -1000).all()


def test_waves_keep_a_blob_within_its_reach() -> None:
    random = np.random.default_rng(0)
    waves = np.stack([random_direction(random) for _ in range(2)])
    blob = Blob(np.zeros(3), np.full(3, 5.0), np.eye(3), waves, 0.08)
    canvas = make_canvas()
    canvas.paint(blob, 0.0)
    low, high = blob.reach()
    painted_mm = (np.argwhere(canvas.voxels_hu > -500) * canvas.spacing_zyx_mm) - canvas.half_zyx_mm
    assert (painted_mm >= low).all()
    assert (painted_mm <= high).all()


def test_random_normal_is_at_right_angles() -> None:
    random = np.random.default_rng(0)
    direction = random_direction(random)
    normal = random_normal(direction, random)
    assert np.linalg.norm(normal) == pytest.approx(1)
    assert normal @ direction == pytest.approx(0, abs=1e-12)
