"""A ball is measured whatever hangs on it."""

import numpy as np
import pytest

from luna16.detection.candidates import Blob
from luna16.detection.measuring import measure_blob
from tests.test_candidates import MIDDLE_ZYX_VOX, SIZE_ZYX_VOX, all_lung, make_scan


@pytest.mark.parametrize("guess", [0.75, 1.0, 1.3])
@pytest.mark.parametrize("hu", [40, -550])
@pytest.mark.parametrize("radius_vox", [2.5, 4.0, 10.0])
def test_centre_and_diameter_of_a_ball(radius_vox: float, hu: float, guess: float) -> None:
    scan = make_scan((MIDDLE_ZYX_VOX, radius_vox, hu))
    middle_xyz_mm = scan.geometry.voxel_to_world(MIDDLE_ZYX_VOX)
    blob = Blob(tuple(np.add(middle_xyz_mm, 0.2 * radius_vox)), guess * radius_vox, 0.3)
    center_xyz_mm, diameter_mm = measure_blob(scan, all_lung(), blob)
    assert diameter_mm == pytest.approx(2 * radius_vox, rel=0.1)
    assert np.linalg.norm(np.subtract(center_xyz_mm, middle_xyz_mm)) < 0.3 * radius_vox


def test_vessel_on_a_nodule_adds_little() -> None:
    scan = make_scan((MIDDLE_ZYX_VOX, 5.0, 40))
    scan.voxels_hu[:, 32:35, 27:30] = 40
    blob = Blob(scan.geometry.voxel_to_world(MIDDLE_ZYX_VOX), 5.0, 0.3)
    assert measure_blob(scan, all_lung(), blob)[1] == pytest.approx(10, rel=0.1)


def test_pleura_is_no_part_of_a_nodule() -> None:
    scan = make_scan((MIDDLE_ZYX_VOX, 5.0, 40))
    scan.voxels_hu[:28] = 40
    mask = np.zeros(SIZE_ZYX_VOX, bool)
    mask[28:] = True
    blob = Blob(scan.geometry.voxel_to_world(MIDDLE_ZYX_VOX), 5.0, 0.3)
    assert measure_blob(scan, all_lung(mask), blob)[1] == pytest.approx(10, rel=0.1)
