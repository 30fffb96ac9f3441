"""Pixels of a DICOM slice are decoded however they are packed, and refused if they are not all there."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from luna16.intake import open_ct
from tests.small_ct import INTERCEPT_HU, compress_slice, draw_chest, write_series


@pytest.mark.parametrize("compressor", ["RLE", "JPEG", "JPEG2000"])
def test_packed_slices_have_the_same_hu(tmp_path: Path, compressor: str) -> None:
    folder = write_series(tmp_path, change=lambda dataset, _: compress_slice(dataset, compressor))
    np.testing.assert_array_equal(open_ct(folder).scan.voxels_hu, draw_chest())


def test_each_slice_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", f"{INTERCEPT_HU + place - 0.25}"
        stored = (draw_chest()[place] - INTERCEPT_HU) * 2
        dataset.PixelData = stored.astype(np.uint16).tobytes()

    voxels_hu = open_ct(write_series(tmp_path, change=change)).scan.voxels_hu
    np.testing.assert_array_equal(voxels_hu - draw_chest(), np.indices(voxels_hu.shape)[0])


def test_signed_pixels_keep_their_padding(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
        dataset.PixelPaddingValue = -3024
        dataset.PixelData = draw_chest()[place].tobytes()

    np.testing.assert_array_equal(open_ct(write_series(tmp_path, change=change)).scan.voxels_hu, draw_chest())


def refuse_series(folder: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(folder)


def test_slice_cut_short_is_refused(tmp_path: Path) -> None:
    path = sorted(write_series(tmp_path).iterdir())[3]
    os.truncate(path, path.stat().st_size - 100)
    refuse_series(tmp_path, r"^A DICOM file is damaged or cut short: copy the folder again\.$")


def test_slice_of_more_rows_than_it_holds_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, change=lambda dataset, _: setattr(dataset, "Rows", 48))
    refuse_series(tmp_path, "A DICOM file is damaged")


def test_packed_slice_that_would_become_huge_is_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset, _: int) -> None:
        compress_slice(dataset, "RLE")
        dataset.Rows = dataset.Columns = 2000

    write_series(tmp_path, change=change)
    refuse_series(tmp_path, "A DICOM file is damaged")


def test_packed_pixels_that_are_damaged_are_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        compress_slice(dataset, "JPEG2000")
        if place == 4:
            dataset.PixelData = (
                dataset.PixelData[:30] + bytes(len(dataset.PixelData) - 38) + dataset.PixelData[-8:]
            )

    write_series(tmp_path, change=change)
    refuse_series(tmp_path, "A DICOM file is damaged")


@pytest.mark.parametrize("compressor", ["RLE", "JPEG", "JPEG2000"])
def test_fragment_shorter_than_it_says_takes_no_memory_and_no_crash(tmp_path: Path, compressor: str) -> None:
    def change(dataset: Dataset, _: int) -> None:
        compress_slice(dataset, compressor)
        start = dataset.PixelData.index(b"\xfe\xff\x00\xe0", 8) + 8
        dataset.PixelData = dataset.PixelData[:start] + dataset.PixelData[start + 51 :]

    write_series(tmp_path, change=change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refuse_series(tmp_path, "A DICOM file is damaged")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_pixels_of_32_bits_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, change=lambda dataset, _: setattr(dataset, "BitsAllocated", 32))
    refuse_series(tmp_path, r"^Its pixels have 32 bits, expected 16: export the series again\.$")
