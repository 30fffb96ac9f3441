"""World and voxel positions, also where a scan is flipped or oblique."""

import numpy as np
import pytest

from luna16.geometry import AXIAL_DIRECTION, Direction, Geometry
from luna16.scan import make_image

FLIPPED: Direction = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE: Direction = (0.8, -0.36, 0.48, 0.6, 0.48, -0.64, 0.0, 0.8, 0.6)


def make_geometry(direction: Direction = AXIAL_DIRECTION) -> Geometry:
    return Geometry((10.0, 20.0, 30.0), (0.5, 1.0, 2.0), direction, (4, 6, 8))


def test_voxel_lies_at_origin_plus_its_steps() -> None:
    assert make_geometry().voxel_to_world((1, 2, 3)) == (11.5, 22.0, 32.0)


def test_flipped_scan_counts_x_and_y_backwards() -> None:
    assert make_geometry(FLIPPED).voxel_to_world((1, 2, 3)) == (8.5, 18.0, 32.0)


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED, OBLIQUE])
def test_world_to_voxel_and_back_is_the_same_place(direction: Direction) -> None:
    geometry = make_geometry(direction)
    center_xyz_mm = (11.3, 19.2, 33.7)
    there_and_back = geometry.voxel_to_world(geometry.world_to_voxel(center_xyz_mm))
    assert there_and_back == pytest.approx(center_xyz_mm, abs=1e-9)


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED, OBLIQUE])
def test_world_to_voxel_agrees_with_simpleitk(direction: Direction) -> None:
    geometry = make_geometry(direction)
    image = make_image(np.zeros(geometry.size_zyx_vox, np.int16), geometry)
    x, y, z = image.TransformPhysicalPointToContinuousIndex((11.3, 19.2, 33.7))
    assert geometry.world_to_voxel((11.3, 19.2, 33.7)) == pytest.approx((z, y, x), abs=1e-9)


def test_scan_contains_its_outermost_voxels_to_their_edge() -> None:
    geometry = make_geometry()
    assert geometry.contains((9.76, 20.0, 30.0))
    assert not geometry.contains((9.74, 20.0, 30.0))
    assert geometry.contains((10.0, 20.0, 36.9))
    assert not geometry.contains((10.0, 20.0, 37.1))


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED, OBLIQUE])
def test_many_places_at_once_are_as_one_by_one(direction: Direction) -> None:
    geometry = make_geometry(direction)
    places_zyx_vox = np.random.default_rng(0).uniform(-3, 9, (200, 3))
    places_xyz_mm = np.array([geometry.voxel_to_world(place.tolist()) for place in places_zyx_vox])
    np.testing.assert_allclose(geometry.to_voxels(places_xyz_mm), places_zyx_vox, atol=1e-9)
    are_inside = [geometry.contains(place.tolist()) for place in places_xyz_mm]
    assert 0 < sum(are_inside) < 200
    assert geometry.contains_each(places_xyz_mm).tolist() == are_inside


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED, OBLIQUE])
def test_crop_keeps_every_voxel_in_its_place(direction: Direction) -> None:
    geometry = make_geometry(direction)
    crop = geometry.crop((slice(1, 3), slice(2, 6), slice(3, 4)))
    assert crop.size_zyx_vox == (2, 4, 1)
    assert crop.voxel_to_world((1, 1, 0)) == pytest.approx(geometry.voxel_to_world((2, 3, 3)))


def test_window_holds_the_cube_and_two_voxels_more() -> None:
    geometry = Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 2.0), AXIAL_DIRECTION, (50, 50, 50))
    z, y, x = geometry.window_around((20.0, 30.0, 40.0), 8.0)
    assert (z.start, z.stop) == (16, 25)
    assert (y.start, y.stop) == (24, 37)
    assert (x.start, x.stop) == (14, 27)


def test_window_ends_at_the_border_of_the_scan() -> None:
    z, y, x = make_geometry().window_around((10.0, 20.0, 30.0), 100.0)
    assert (z, y, x) == (slice(0, 4), slice(0, 6), slice(0, 8))
