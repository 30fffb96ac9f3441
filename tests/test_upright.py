"""Whatever order voxels are stored in, they are brought into one, and stay where they are."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from luna16.detection.upright import make_upright, resample_evenly
from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.scan import Scan, make_image

SIZE_ZYX_VOX = (20, 24, 28)
UPRIGHT = Geometry((-30.0, 12.0, 400.0), (0.8, 0.8, 1.5), AXIAL_DIRECTION, SIZE_ZYX_VOX)


def make_scan(geometry: Geometry = UPRIGHT) -> Scan:
    """Give air with a smooth bright spot in the middle."""
    offsets = np.indices(SIZE_ZYX_VOX).transpose(1, 2, 3, 0) - (10.0, 12.0, 14.0)
    spot = 1000 * np.exp(-((offsets * (1.5, 0.8, 0.8)) ** 2).sum(axis=-1) / 18)
    return Scan("", (spot - 1000).astype(np.int16), geometry)


def brightest_xyz_mm(scan: Scan) -> np.ndarray:
    weights = (scan.voxels_hu + 1000.0) ** 2
    z, y, x = (np.indices(weights.shape).reshape(3, -1) @ weights.ravel() / weights.sum()).tolist()
    return np.array(scan.geometry.voxel_to_world((z, y, x)))


@pytest.mark.parametrize("order", ["LPS", "RAS", "PIR", "SAL"])
def test_turned_voxels_come_back_exactly(order: str) -> None:
    image = sitk.DICOMOrient(make_image(make_scan().voxels_hu, UPRIGHT), order)
    size = image.GetSize()[::-1]
    geometry = Geometry(image.GetOrigin(), image.GetSpacing(), image.GetDirection(), size)
    upright = make_upright(Scan("", sitk.GetArrayFromImage(image), geometry))
    assert np.array_equal(upright.voxels_hu, make_scan().voxels_hu)
    assert upright.geometry.direction == AXIAL_DIRECTION
    assert upright.geometry.origin_xyz_mm == pytest.approx(UPRIGHT.origin_xyz_mm)


def test_oblique_scan_keeps_what_it_shows_in_its_place() -> None:
    c, s = np.cos(0.2), np.sin(0.2)
    oblique = make_scan(
        Geometry((5.0, 6.0, 7.0), (0.8, 0.8, 1.5), (c, -s, 0, s, c, 0, 0, 0, 1), SIZE_ZYX_VOX)
    )
    upright = make_upright(oblique)
    assert upright.geometry.direction == AXIAL_DIRECTION
    assert brightest_xyz_mm(upright) == pytest.approx(brightest_xyz_mm(oblique), abs=0.1)


def test_padding_does_not_bleed_into_even_voxels() -> None:
    scan = make_scan()
    scan.voxels_hu[:, :4] = -3024
    even = resample_evenly(scan, 1.0)
    assert even.geometry.spacing_xyz_mm == (1.0, 1.0, 1.0)
    assert even.voxels_hu.min() == -1000
    assert brightest_xyz_mm(even) == pytest.approx(brightest_xyz_mm(make_scan()), abs=0.2)
