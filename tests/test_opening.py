"""A chest CT is the same in whatever format it is handed over."""

from pathlib import Path

import numpy as np
import pytest

from luna16.intake import Ct, Limits, open_ct
from luna16.scan import Scan
from tests.small_ct import GEOMETRY, draw_chest, flip, make_ct, write_ct, write_series, zip_folder

NAMES = {
    "MetaImage": ("ct.mhd", "ct.mha", "CT of the chest.MHD"),
    "NIfTI": ("ct.nii", "ct.nii.gz"),
    "NRRD": ("ct.nrrd", "ct.nhdr"),
}


def assert_same(scan: Scan) -> None:
    """Compare each voxel of the chest with the one that lies at its place in a scan."""
    places = np.argwhere(np.ones(GEOMETRY.size_zyx_vox))
    centers_xyz_mm = GEOMETRY.origin_xyz_mm + places[:, ::-1] * GEOMETRY.spacing_xyz_mm
    found = scan.geometry.to_voxels(centers_xyz_mm)
    np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
    z, y, x = np.rint(found).astype(int).T
    np.testing.assert_array_equal(scan.voxels_hu[z, y, x], draw_chest().ravel())
    assert scan.voxels_hu.dtype == np.int16


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("is_flipped", [False, True])
@pytest.mark.parametrize(("form", "name"), [(form, name) for form in NAMES for name in NAMES[form]])
def test_scan_is_the_same_in_each_format(
    tmp_path: Path, *, form: str, name: str, is_flipped: bool, compress: bool
) -> None:
    image = flip(make_ct()) if is_flipped else make_ct()
    path = write_ct(tmp_path / name.lower(), image, compress=compress).rename(tmp_path / name)
    ct = open_ct(path)
    assert_same(ct.scan)
    assert (ct.format, ct.scan.series_uid) == (form, "")


def test_nothing_is_written_beside_the_scan(tmp_path: Path) -> None:
    ct = open_ct(write_ct(tmp_path / "ct.nii.gz"))
    assert isinstance(ct, Ct)
    assert [path.name for path in tmp_path.iterdir()] == ["ct.nii.gz"]


def test_dicom_series_is_the_same_scan(tmp_path: Path) -> None:
    ct = open_ct(write_series(tmp_path / "series"))
    assert_same(ct.scan)
    assert (ct.format, ct.scan.series_uid) == ("DICOM", "2.25.4711")


@pytest.mark.parametrize("name", ["ct.mhd", "ct.nii.gz", "ct.nhdr"])
def test_zip_of_an_image_is_the_same_scan(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "the scan"
    folder.mkdir()
    write_ct(folder / name)
    ct = open_ct(zip_folder(folder, tmp_path / "ct.zip"))
    assert_same(ct.scan)


def test_zip_of_a_dicom_series_is_the_same_scan(tmp_path: Path) -> None:
    write_series(tmp_path / "study" / "a" / "b")
    (tmp_path / "study" / "a" / "report.txt").write_text("Nothing to see.")
    ct = open_ct(zip_folder(tmp_path / "study", tmp_path / "ct.ZIP"))
    assert_same(ct.scan)
    assert ct.format == "DICOM"


def refuse(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(path)


def test_zip_without_a_scan(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("seen")
    refuse(
        zip_folder(tmp_path / "folder", tmp_path / "ct.zip"),
        r"^It holds no scan: hand over a DICOM series or",
    )


def test_two_image_files(tmp_path: Path) -> None:
    write_ct(tmp_path / "a.nii")
    write_ct(tmp_path / "b.mha")
    refuse(tmp_path, r"^It holds 2 image files: hand over one scan\.$")


def test_image_file_beside_a_series(tmp_path: Path) -> None:
    write_ct(write_series(tmp_path) / "mask.nii")
    refuse(tmp_path, r"^It holds 1 image files and 18 DICOM images: hand over one scan\.$")


def test_hidden_files_are_no_scans(tmp_path: Path) -> None:
    (tmp_path / "__MACOSX").mkdir()
    for name in (".ct.nii", "__MACOSX/ct.nii", "._ct.nii"):
        write_ct(tmp_path / name)
    write_ct(tmp_path / "ct.nii")
    assert_same(open_ct(tmp_path).scan)


@pytest.mark.parametrize("name", ["ct.txt", "ct", "slice.dcm"])
def test_file_of_another_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    refuse(tmp_path / name, r"^The file is none of \.mhd, .*: hand over one, a DICOM folder or a \.zip\.$")


def test_folder_of_too_many_files(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / str(i)).touch()
    with pytest.raises(ValueError, match=r"^The folder holds over 4 files: hand over that of one scan\.$"):
        open_ct(tmp_path, limits=Limits(max_entries=4))


@pytest.mark.parametrize("name", ["secret.nii", "secret.zip", "secret.mhd"])
def test_missing_file_is_told_without_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        OSError, match=r"^The scan cannot be read \(No such file or directory\): check"
    ) as caught:
        open_ct(tmp_path / name)
    assert "secret" not in str(caught.value)
