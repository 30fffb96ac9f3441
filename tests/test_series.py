"""The one axial CT series is found among others; none, or two, are refused with what is there instead."""

import re
from pathlib import Path

import pytest
from pydicom import Dataset

from luna16.intake import open_ct
from tests.small_ct import draw_chest, write_series

FEW = draw_chest()[:3]


def set_each(**values: object):
    def change(dataset: Dataset, place: int) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def test_scout_report_and_reformat_beside_the_series_are_left_out(tmp_path: Path) -> None:
    write_series(tmp_path, series_uid="2.25.7")
    write_series(tmp_path, series_uid="2.25.1", voxels_hu=FEW)
    write_series(
        tmp_path, series_uid="2.25.2", change=set_each(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    )
    write_series(tmp_path, series_uid="2.25.3", change=set_each(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]))
    write_series(tmp_path, series_uid="2.25.4", voxels_hu=FEW, change=set_each(Modality="OT"))
    assert open_ct(tmp_path).scan.series_uid == "2.25.7"


def test_two_series_are_refused_with_their_lengths(tmp_path: Path) -> None:
    write_series(tmp_path, series_uid="2.25.1", voxels_hu=draw_chest()[:16])
    write_series(tmp_path, series_uid="2.25.2")
    with pytest.raises(
        ValueError, match=r"^It holds 2 CT series, of 18 and 16 slices: hand over one of them\.$"
    ):
        open_ct(tmp_path)


REFUSED = {
    "Modality is 'MR', expected 'CT': hand over a CT of the chest.": {"Modality": "MR"},
    "Its slices are colour images: hand over the CT itself, in HU.": {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
    },
    "It is a multi-frame CT, which is not read: export it as single slices.": {"NumberOfFrames": 20},
    "It holds no axial slices with a place in the world: hand over the axial CT series.": {
        "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_no_axial_ct_is_refused(tmp_path: Path, message: str) -> None:
    write_series(tmp_path, voxels_hu=FEW, change=set_each(**REFUSED[message]))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        open_ct(tmp_path)


def test_too_few_slices_are_counted(tmp_path: Path) -> None:
    write_series(tmp_path, voxels_hu=FEW)
    with pytest.raises(
        ValueError, match=r"^The longest axial CT series has 3 slices, expected 16 or more: hand"
    ):
        open_ct(tmp_path)
