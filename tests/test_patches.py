"""A patch shows the right tissue, whatever the scan's geometry, and air beyond its border."""

import numpy as np
import pytest
import torch

from luna16.config import DataConfig
from luna16.geometry import AXIAL_DIRECTION, Direction, Geometry, Vector3
from luna16.patches import extract_patch, interpolate_by_axis, is_upright, resample, scale_patches
from luna16.scan import Scan

FLIPPED: Direction = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE: Direction = (0.8, -0.36, 0.48, 0.6, 0.48, -0.64, 0.0, 0.8, 0.6)
CONFIG = DataConfig(patch_size_vox=8)


def slope_hu(xyz_mm: np.ndarray) -> np.ndarray:
    """Give HU that rise linearly over the world, so that every place is known by its value."""
    return -300 + xyz_mm @ (5.0, 3.0, 2.0)


def make_slope(direction: Direction) -> Scan:
    geometry = Geometry((5.0, -3.0, 7.0), (0.5, 0.5, 1.25), direction, (30, 50, 50))
    steps_mm = np.indices(geometry.size_zyx_vox)[::-1].reshape(3, -1).T * geometry.spacing_xyz_mm
    voxels_hu = slope_hu(steps_mm @ np.reshape(direction, (3, 3)).T + geometry.origin_xyz_mm)
    return Scan("2.25.1", np.rint(voxels_hu).astype(np.int16).reshape(geometry.size_zyx_vox), geometry)


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED, OBLIQUE])
def test_patch_shows_each_place_of_the_world_in_order(direction: Direction) -> None:
    scan = make_slope(direction)
    center_xyz_mm = scan.geometry.voxel_to_world((15, 25, 25))
    patch_hu = extract_patch(scan, center_xyz_mm, CONFIG)
    places_xyz_mm = np.moveaxis(np.indices((8, 8, 8))[::-1], 0, -1) - 3.5 + center_xyz_mm
    np.testing.assert_allclose(patch_hu, slope_hu(places_xyz_mm), atol=1.5)  # whole HU, rounded twice


def make_noise(direction: Direction, random: np.random.Generator) -> Scan:
    spacing_xyz_mm: Vector3 = (*random.uniform(0.4, 1.2, 2).tolist(), random.uniform(0.5, 3))
    geometry = Geometry((7.3, -40.1, 11.9), spacing_xyz_mm, direction, (14, 27, 31))
    return Scan("2.25.1", random.integers(-3024, 3072, geometry.size_zyx_vox, dtype=np.int16), geometry)


@pytest.mark.parametrize("direction", [AXIAL_DIRECTION, FLIPPED])
def test_fast_way_is_within_1_hu_of_simpleitk_also_across_borders(direction: Direction) -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        scan = make_noise(direction, random)
        place_zyx_vox = random.uniform(-0.5, np.array(scan.geometry.size_zyx_vox) - 0.5).tolist()
        center_xyz_mm = scan.geometry.voxel_to_world(place_zyx_vox)
        fast_hu = interpolate_by_axis(scan, center_xyz_mm, CONFIG)
        np.testing.assert_allclose(fast_hu, resample(scan, center_xyz_mm, CONFIG), atol=1)


def test_only_scans_along_the_world_go_the_fast_way() -> None:
    upright = [is_upright(make_slope(direction)) for direction in (AXIAL_DIRECTION, FLIPPED, OBLIQUE)]
    assert upright == [True, True, False]


def make_flat_scan(hu: int) -> Scan:
    geometry = Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), AXIAL_DIRECTION, (20, 20, 20))
    return Scan("2.25.1", np.full((20, 20, 20), hu, np.int16), geometry)


def test_patch_at_border_is_padded_with_air() -> None:
    patch_hu = extract_patch(make_flat_scan(40), (0.0, 10.0, 10.0), CONFIG)
    assert (patch_hu[:, :, :3] == CONFIG.hu_min).all()
    assert (patch_hu[:, :, 4:] == 40).all()


def test_padding_outside_the_field_of_view_does_not_bleed() -> None:
    scan = make_flat_scan(0)
    scan.voxels_hu[:, :, :10] = -3024
    patch_hu = extract_patch(scan, (10.0, 10.0, 10.0), CONFIG)
    assert patch_hu[0, 0].tolist() == [-1000, -1000, -1000, -500, 0, 0, 0, 0]


def test_hu_are_clipped_to_the_window() -> None:
    patch_hu = extract_patch(make_flat_scan(2000), (10.0, 10.0, 10.0), CONFIG)
    assert (patch_hu == CONFIG.hu_max).all()


def test_patch_covers_size_times_spacing() -> None:
    scan = make_slope(AXIAL_DIRECTION)
    center_xyz_mm: Vector3 = scan.geometry.voxel_to_world((15, 25, 25))
    patch_hu = extract_patch(scan, center_xyz_mm, DataConfig(patch_size_vox=8, patch_spacing_mm=2.0))
    assert patch_hu[0, 0, 7] - patch_hu[0, 0, 0] == pytest.approx(5 * 7 * 2, abs=1.5)


def test_centre_outside_the_scan_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"The centre lies outside its scan."):
        extract_patch(make_flat_scan(0), (-5.0, 10.0, 10.0), CONFIG)


def test_window_is_scaled_to_0_and_1() -> None:
    patches_hu = np.array([-1000, -300, 400], np.int16).reshape(1, 3, 1, 1)
    patches = scale_patches(patches_hu, CONFIG, torch.device("cpu"))
    assert patches.shape == (1, 1, 3, 1, 1)
    assert patches.flatten().tolist() == [0.0, 0.5, 1.0]
