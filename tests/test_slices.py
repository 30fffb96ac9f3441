"""Headers of DICOM files are read without a word of what they say of the patient."""

import logging
from pathlib import Path

import pytest
from pydicom import Dataset, uid

from luna16.intake import LIMITS, Limits, open_ct
from luna16.intake.slices import read_slices
from tests.small_ct import PATIENT, write_series


def test_files_that_are_no_images_are_left_out(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "notes.txt").write_text("seen")
    (tmp_path / "empty.dcm").write_bytes(b"")
    assert len(read_slices(sorted(tmp_path.iterdir()), LIMITS)) == 18


def test_report_is_no_image(tmp_path: Path) -> None:
    def make_report(dataset: Dataset, _: int) -> None:
        del dataset.Rows, dataset.Columns, dataset.PixelData
        dataset.Modality = "SR"

    folder = write_series(tmp_path, change=make_report)
    assert read_slices(folder.iterdir(), LIMITS) == []


def test_repr_shows_neither_file_nor_series(tmp_path: Path) -> None:
    image = read_slices(write_series(tmp_path).iterdir(), LIMITS)[0]
    assert "2.25.4711" not in repr(image)
    assert ".dcm" not in repr(image)


@pytest.mark.parametrize(
    "keyword", ["SeriesInstanceUID", "Modality", "PixelData", "SamplesPerPixel", "PixelSpacing"]
)
def test_image_without_what_it_needs_is_damaged(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path, change=lambda dataset, _: delattr(dataset, keyword))
    with pytest.raises(ValueError, match=r"^A DICOM file is damaged or cut short: copy the folder again\.$"):
        open_ct(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", ["nan", "0", "0"]),
        ("ImagePositionPatient", ["1e300", "0", "0"]),
        ("PixelSpacing", [1]),
    ],
)
def test_place_that_is_no_number_is_damaged(tmp_path: Path, keyword: str, value: object) -> None:
    def change(dataset: Dataset, place: int) -> None:
        dataset[keyword]._value = value

    write_series(tmp_path, change=change)
    with pytest.raises(ValueError, match="A DICOM file is damaged"):
        open_ct(tmp_path)


def test_series_uid_that_is_none_is_refused_and_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def change(dataset: Dataset, place: int) -> None:
        dataset["SeriesInstanceUID"]._value = PATIENT

    write_series(tmp_path, change=change)
    with pytest.raises(ValueError, match="A DICOM file is damaged"):
        open_ct(tmp_path)
    assert PATIENT not in caplog.text


def test_deflated_file_is_refused_before_it_inflates(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian

    write_series(tmp_path, change=change)
    with pytest.raises(
        ValueError, match=r"is packed in a way that cannot be read: export it uncompressed\.$"
    ):
        open_ct(tmp_path)


def test_huge_file_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    with pytest.raises(ValueError, match=r"^A DICOM file has over 1000 bytes: export single slices\.$"):
        open_ct(tmp_path, limits=Limits(max_slice_bytes=1000))
