"""Lungs are found in boxes of tissue that hold boxes of air."""

import numpy as np
import pytest

from luna16.detection.lungs import find_lungs
from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.scan import Scan

SIZE_ZYX_VOX = (90, 110, 150)
LUNG_HU, TISSUE_HU, AIR_HU = -860, 40, -1000
RIGHT, LEFT = np.s_[8:82, 20:90, 15:65], np.s_[8:82, 20:90, 85:135]


def make_chest(*, lungs_hu: int = LUNG_HU) -> np.ndarray:
    """Give a body in air that holds two lungs of 0.26 l each."""
    voxels_hu = np.full(SIZE_ZYX_VOX, AIR_HU, np.int16)
    voxels_hu[:, 5:105, 5:145] = TISSUE_HU
    voxels_hu[RIGHT] = voxels_hu[LEFT] = lungs_hu
    return voxels_hu


def as_scan(voxels_hu: np.ndarray) -> Scan:
    return Scan("", voxels_hu, Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), AXIAL_DIRECTION, voxels_hu.shape))


def test_lungs_are_found_with_the_pleura_and_nothing_outside() -> None:
    lungs = find_lungs(as_scan(make_chest()))
    assert lungs.mask[RIGHT].all()
    assert lungs.mask[LEFT].all()
    assert not lungs.mask[:, :10].any()
    assert lungs.litres == pytest.approx(0.52, abs=0.02)
    assert lungs.background_hu == LUNG_HU


def test_weights_fade_through_the_pleura() -> None:
    weights = find_lungs(as_scan(make_chest())).weights[45, 55, 5:20]  # from the right side into the lung
    assert (weights[:6] == 0).all()
    assert 0 < weights[8] < weights[9] < 1
    assert (weights[11:] == 1).all()


def test_nodule_in_the_lung_and_on_the_pleura_is_inside() -> None:
    voxels_hu = make_chest()
    voxels_hu[40:60, 50:70, 30:50] = TISSUE_HU
    voxels_hu[40:50, 20:30, 100:110] = TISSUE_HU
    mask = find_lungs(as_scan(voxels_hu)).mask
    assert mask[40:60, 50:70, 30:50].all()
    assert mask[45, 22:30, 105].all()


@pytest.mark.parametrize("padding_hu", [-1024, -2000, -3024])
def test_padding_and_an_open_trachea_change_nothing(padding_hu: int) -> None:
    voxels_hu = make_chest()
    voxels_hu[voxels_hu == AIR_HU] = padding_hu
    voxels_hu[70:, 50:60, 60:90] = AIR_HU  # joins both lungs with the air above the scan
    lungs = find_lungs(as_scan(voxels_hu))
    assert lungs.mask[LEFT].all()
    assert not lungs.mask[:, :10].any()


def test_lung_is_found_where_the_chest_wall_is_cut_open() -> None:
    voxels_hu = make_chest()
    voxels_hu[35:65, 40:70, 135:] = AIR_HU  # from the left lung to the air beside the body
    mask = find_lungs(as_scan(voxels_hu)).mask
    assert mask[50, 25:85, 90:130].all()
    assert not mask[:, :10].any()
    assert not mask[50, 40:70, 145:].any()


@pytest.mark.parametrize("voxels_hu", [make_chest(lungs_hu=TISSUE_HU), make_chest(lungs_hu=-1000)])
def test_abdomen_and_bowel_gas_are_no_lungs(voxels_hu: np.ndarray) -> None:
    with pytest.raises(ValueError, match="No lungs were found"):
        find_lungs(as_scan(voxels_hu))


def test_nothing_but_air_is_no_lungs() -> None:
    with pytest.raises(ValueError, match="No lungs were found"):
        find_lungs(as_scan(np.full(SIZE_ZYX_VOX, AIR_HU, np.int16)))


def test_lungs_cut_off_and_small_are_told() -> None:
    low, small = find_lungs(as_scan(make_chest()[20:])).warnings, find_lungs(as_scan(make_chest())).warnings
    assert [text.split(":")[0] for text in small] == ["The lungs found hold 0.5 l of air, expected 1 to 10"]
    assert "cut off at the lower end" in low[1]
