"""Each scanner turns the same anatomy into voxels of its own."""

import numpy as np
import pytest

from luna16.phantom_scanner import SCANNERS, acquire, scanner_of_site, smooth
from luna16.phantom_shapes import Canvas


def make_canvas(hu: float = 0.0) -> Canvas:
    return Canvas((20, 40, 40), (1.5, 1.4, 1.4), hu)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_image_has_the_scanners_noise_offset_and_padding(scanner) -> None:
    voxels_hu = acquire(make_canvas(), scanner, np.random.default_rng(0))
    inside = voxels_hu[:, 15:25, 15:25]
    assert voxels_hu.dtype == np.int16
    assert inside.mean() == pytest.approx(scanner.offset_hu, abs=5)
    assert inside.std() == pytest.approx(scanner.noise_hu, rel=0.15)
    assert (voxels_hu[:, 0, 0] == scanner.padding_hu).all()


def test_voxels_stay_in_the_range_of_ct() -> None:
    voxels_hu = acquire(make_canvas(9000.0), SCANNERS[0], np.random.default_rng(0))
    assert voxels_hu[:, 15:25, 15:25].max() == 3071


def test_smoothing_keeps_the_sum_and_spreads_a_point() -> None:
    voxels = np.zeros((5, 5, 5), np.float32)
    voxels[2, 2, 2] = 64
    smoothed = smooth(voxels)
    assert smoothed.sum() == 64
    assert smoothed[2, 2, 2] == 8
    assert smoothed[1, 1, 1] == 1


def test_first_three_sites_are_as_listed_and_later_ones_differ() -> None:
    assert [scanner_of_site(i) for i in range(3)] == list(SCANNERS)
    assert len({scanner_of_site(i) for i in range(12)}) == 12
    assert scanner_of_site(7) == scanner_of_site(7)


def test_scanners_differ_in_everything_that_matters() -> None:
    for name in ("in_plane_spacing_mm", "slice_spacing_mm", "noise_hu", "kernel_passes", "offset_hu"):
        assert len({getattr(scanner, name) for scanner in SCANNERS}) == 3
    assert {scanner.is_flipped for scanner in SCANNERS} == {True, False}
    assert {scanner.is_compressed for scanner in SCANNERS} == {True, False}
