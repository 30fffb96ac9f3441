"""Slices are stacked by where they lie; a gap, a double, a tilt or a mixture is told with its figure."""

from pathlib import Path

import pytest
from pydicom import Dataset

from luna16.intake import open_ct
from tests.small_ct import GEOMETRY, write_series


def refuse(folder: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(folder)


def test_missing_slice(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "1049.dcm").unlink()  # the eighth
    refuse(
        tmp_path,
        r"^Slices are missing or uneven: 1 of their steps are not 2\.5 mm, but 5 mm: hand over the ser",
    )


def test_slice_that_is_there_twice(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "1049.dcm").read_bytes())
    refuse(tmp_path, r"^1 slices lie where another one does: hand over one series, each slice once\.$")


def test_tilted_gantry(tmp_path: Path) -> None:
    def tilt(dataset: Dataset, place: int) -> None:
        x_mm, y_mm, z_mm = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x_mm, y_mm + place * 0.67, z_mm]

    write_series(tmp_path, change=tilt)
    refuse(
        tmp_path,
        r"^Its axes are oblique by 15\.0 degrees, as of a tilted gantry: resample the scan to upright",
    )


def test_positions_that_are_rounded_are_no_gap_and_no_tilt(tmp_path: Path) -> None:
    def jitter(dataset: Dataset, place: int) -> None:
        x_mm, y_mm, z_mm = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x_mm + 0.05 * (place % 2), y_mm, z_mm + 0.05 * (place % 3)]

    geometry = open_ct(write_series(tmp_path, change=jitter)).scan.geometry
    assert geometry.spacing_xyz_mm == pytest.approx(GEOMETRY.spacing_xyz_mm, abs=0.01)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("PixelSpacing", [0.7, 0.7], "differ in spacing or axes: hand over one reconstruction"),
        ("ImageOrientationPatient", [0.999, 0.0447, 0, -0.0447, 0.999, 0], "differ in spacing or axes"),
    ],
)
def test_slices_of_two_kinds(tmp_path: Path, keyword: str, value: list[float], words: str) -> None:
    def change(dataset: Dataset, place: int) -> None:
        if place == 5:
            setattr(dataset, keyword, value)

    write_series(tmp_path, change=change)
    refuse(tmp_path, words)


def test_slices_of_two_sizes(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        if place == 5:
            dataset.Rows, dataset.PixelData = 23, dataset.PixelData[: 23 * 28 * 2]

    write_series(tmp_path, change=change)
    refuse(tmp_path, r"^The slices of the series differ in size: hand over one reconstruction\.$")


def test_rows_and_columns_that_are_not_upright_on_each_other(tmp_path: Path) -> None:
    def change(dataset: Dataset, place: int) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0.2, 0.98, 0]

    write_series(tmp_path, change=change)
    refuse(tmp_path, "Its axes are oblique, as of a tilted gantry")


@pytest.mark.parametrize("step_mm", [0.01, 30])
def test_spacing_of_no_ct(tmp_path: Path, step_mm: float) -> None:
    write_series(tmp_path, change=lambda dataset, _: setattr(dataset, "PixelSpacing", [step_mm, step_mm]))
    refuse(
        tmp_path, rf"^Its voxels are {step_mm} x {step_mm} x 2\.5 mm, expected 0\.1 to 10 each way: convert"
    )
