"""Values of any type become int16 HU without loss, and those of no CT are refused with what they are."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from luna16.intake import open_ct
from tests.small_ct import draw_chest, make_ct, write_ct


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_other_types_give_the_same_hu(tmp_path: Path, dtype: type) -> None:
    image = make_ct(draw_chest().astype(dtype) + dtype(0.25 if dtype != np.int32 else 0))
    voxels_hu = open_ct(write_ct(tmp_path / "ct.mha", image)).scan.voxels_hu
    np.testing.assert_array_equal(voxels_hu, draw_chest())
    assert voxels_hu.dtype == np.int16


def with_one(value: float) -> sitk.Image:
    voxels = draw_chest().astype(np.float32)
    voxels[3, 4, 5] = value
    return make_ct(voxels)


REFUSED = {
    "NaN": (with_one(np.nan), r"^Some voxels are NaN or infinite, expected HU everywhere: convert the scan"),
    "inf": (with_one(np.inf), r"^Some voxels are NaN or infinite"),
    "range": (
        with_one(40_000),
        r"^Its values are -3024 to 40000 in one slice, expected HU of -32768 to 32767:",
    ),
    "equal": (make_ct(draw_chest() * 0), r"^Every voxel is 0 HU: export the scan again\.$"),
    "air": (make_ct(np.minimum(draw_chest(), -900)), r"^Its values are .*, 0\.0% of them soft tissue \(-200"),
    "bytes": (
        make_ct((draw_chest() % 256).astype(np.uint8)),
        r"values are 40 to 203, 0\.0% of them air \(-1100",
    ),
    "MR": (make_ct(np.abs(draw_chest())), r"hand over a CT of the chest in Hounsfield units\.$"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_values_of_no_ct(tmp_path: Path, kind: str) -> None:
    image, words = REFUSED[kind]
    with pytest.raises(ValueError, match=words):
        open_ct(write_ct(tmp_path / "ct.mha", image))
