"""Balls in the lung are proposed, each once and before anything long or flat."""

import numpy as np
import pytest

from luna16.detection.candidates import MAX_CANDIDATES, find_blobs
from luna16.detection.lungs import PLEURA_MM, Lungs
from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.scan import Scan

SIZE_ZYX_VOX = (64, 64, 64)
ORIGIN_XYZ_MM = (-10.0, 20.0, 300.0)
LUNG_HU = -860.0
MIDDLE_ZYX_VOX = (30.0, 33.0, 28.0)


def make_scan(*balls: tuple[tuple[float, float, float], float, float]) -> Scan:
    """Give lung with noise in which balls of a centre, a radius in voxels and HU lie."""
    voxels_hu = np.random.default_rng(0).normal(LUNG_HU, 30, SIZE_ZYX_VOX)
    for center_zyx_vox, radius_vox, hu in balls:
        distance = np.linalg.norm(np.indices(SIZE_ZYX_VOX).transpose(1, 2, 3, 0) - center_zyx_vox, axis=-1)
        voxels_hu += np.clip(radius_vox + 0.5 - distance, 0, 1) * (hu - LUNG_HU)
    geometry = Geometry(ORIGIN_XYZ_MM, (1.0, 1.0, 1.0), AXIAL_DIRECTION, SIZE_ZYX_VOX)
    return Scan("", voxels_hu.round().astype(np.int16), geometry)


def all_lung(weights: np.ndarray | None = None) -> Lungs:
    """Give lungs that fill the scan, or a mask or weights of them."""
    weights = np.ones(SIZE_ZYX_VOX) if weights is None else weights
    return Lungs(weights.astype(np.float32), LUNG_HU, 3.0, ())


@pytest.mark.parametrize(("radius_vox", "hu"), [(2.0, 40), (4.0, 40), (4.0, -500), (8.0, 40), (13.0, 40)])
def test_ball_is_the_first_candidate_at_its_place_and_size(radius_vox: float, hu: float) -> None:
    scan = make_scan((MIDDLE_ZYX_VOX, radius_vox, hu))
    best = find_blobs(scan, all_lung())[0]
    middle_xyz_mm = scan.geometry.voxel_to_world(MIDDLE_ZYX_VOX)
    assert np.linalg.norm(np.subtract(best.center_xyz_mm, middle_xyz_mm)) < max(1.0, 0.2 * radius_vox)
    assert 0.6 < best.radius_mm / radius_vox < 1.6


def test_two_balls_are_two_candidates() -> None:
    scan = make_scan(((20.0, 20.0, 20.0), 4.0, 40), ((20.0, 20.0, 32.0), 4.0, 40))
    first, second = find_blobs(scan, all_lung())[:2]
    assert abs(first.center_xyz_mm[0] - second.center_xyz_mm[0]) == pytest.approx(12, abs=1)


def test_ball_comes_before_a_vessel_and_a_plate() -> None:
    scan = make_scan((MIDDLE_ZYX_VOX, 3.0, 40))
    scan.voxels_hu[:, 8:14, 8:14] = 40
    scan.voxels_hu[52:57] = 40
    best, second = find_blobs(scan, all_lung())[:2]
    z, y, _ = scan.geometry.world_to_voxel(best.center_xyz_mm)
    assert (round(z), round(y)) == (30, 33)
    assert second.response < best.response / 2


def test_nothing_is_proposed_outside_the_lungs() -> None:
    mask = np.zeros(SIZE_ZYX_VOX, bool)
    mask[:32] = True
    scan = make_scan(((48.0, 32.0, 32.0), 4.0, 40))
    blobs = find_blobs(scan, all_lung(mask))
    assert len(blobs) <= MAX_CANDIDATES
    assert all(scan.geometry.world_to_voxel(blob.center_xyz_mm)[0] < 32 for blob in blobs)


def test_small_nodule_sunk_into_the_pleura_stands_out() -> None:
    sunk_zyx_vox = (40.0, 33.0, 28.0)
    scan = make_scan((sunk_zyx_vox, 2.0, 40))
    scan.voxels_hu[40:] = 40
    fading = (1 - (np.arange(SIZE_ZYX_VOX[0]) - 39.5) / PLEURA_MM).clip(0, 1)
    best = find_blobs(scan, all_lung(np.broadcast_to(fading[:, None, None], SIZE_ZYX_VOX)))[0]
    assert np.linalg.norm(np.subtract(scan.geometry.world_to_voxel(best.center_xyz_mm), sunk_zyx_vox)) < 2
    assert best.response > 0.08  # 0.04 with a layer of pleura that ends at once
