"""An NRRD header that is faulty, hostile or of something else is refused with its field and value."""

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from luna16.intake import open_ct
from tests.small_ct import GEOMETRY, draw_chest, make_ct, write_ct


def change_field(path: Path, field: str, line: str) -> Path:
    """Put a line in the place of that of ``field``."""
    path.write_bytes(
        re.sub(rf"^{field}: .*$".encode(), line.encode(), path.read_bytes(), count=1, flags=re.M)
    )
    return path


def refuse(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(path)


def test_space_of_ras_lies_where_lps_does(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "ct.nrrd")
    change_field(path, "space", "space: right-anterior-superior")
    change_field(path, "space directions", "space directions: (-0.75,0,0) (0,-0.875,0) (0,0,2.5)")
    change_field(path, "space origin", "space origin: (17.5,12.25,101)")
    scan = open_ct(path).scan
    assert scan.geometry == GEOMETRY
    np.testing.assert_array_equal(scan.voxels_hu, draw_chest())


FAULTS = [
    ("dimension", "dimension: 4", "dimension is '4', expected 3: hand over one 3-D scan in grey values."),
    ("type", "type: block", "type is 'block', expected short: convert the scan to HU."),
    ("encoding", "encoding: bzip2", "encoding is 'bzip2', expected raw or gzip: export the scan again."),
    ("space", "space: scanner-xyz", "space is 'scanner-xyz', expected left-posterior-superior: export"),
    ("space", "x: y", "space is missing, expected left-posterior-superior: export the scan again."),
    ("kinds", "byte skip: -1", "The header skips part of its voxel file: export the scan again."),
    (
        "kinds",
        "sizes: 1 1 1",
        "A line of the NRRD header is no field, or there twice: export the scan again.",
    ),
    ("kinds", "what", "A line of the NRRD header is no field, or there twice"),
    ("sizes", "sizes: 28 24 0", "sizes is '28 24 0', expected three sizes in voxels: export the scan again."),
    (
        "sizes",
        "sizes: 512 512 2000",
        "holds 24192 bytes of voxels where its header promises 1048576000: copy",
    ),
    (
        "sizes",
        "sizes: 9999 9999 9999",
        "has 9999 x 9999 x 9999 voxels, expected 536870912 in all at most: hand",
    ),
    ("space origin", "space origin: (a,b,c)", "The header does not say where the voxels lie in mm: export"),
    ("space origin", "space origin: (1e300,0,0)", "The header does not say where the voxels lie in mm:"),
    (
        "space directions",
        "space directions: (1e300,0,0) (0,1,0) (0,0,2)",
        "does not say where the voxels lie",
    ),
    ("space directions", "space directions: (nan,0,0) (0,1,0) (0,0,2)", "does not say where the voxels lie"),
    ("space origin", "x: y", "The header does not say where the voxels lie in mm: export the scan again."),
    ("space directions", "space directions: (1,0,0) (0,1,0) none", "does not say where the voxels lie in mm"),
    (
        "space directions",
        "space directions: (1,0,0) (0,1,0) (0,1,2)",
        "Its axes are oblique, as of a tilted gan",
    ),
    (
        "space directions",
        "space directions: (20,0,0) (0,1,0) (0,0,2)",
        "Its voxels are 20 x 1 x 2 mm, expected",
    ),
]


@pytest.mark.parametrize(("field", "line", "message"), FAULTS)
def test_faulty_header(tmp_path: Path, field: str, line: str, message: str) -> None:
    refuse(change_field(write_ct(tmp_path / "ct.nrrd"), field, line), re.escape(message))


@pytest.mark.parametrize("name", ["../ct.raw", "/etc/hostname", "LIST", "slice%03d.raw 1 18 1", "a/ct.raw"])
def test_header_that_points_outside_its_folder(tmp_path: Path, name: str) -> None:
    path = change_field(write_ct(tmp_path / "ct.nhdr"), "data file", f"data file: {name}")
    refuse(path, r"^The header names voxels outside its own folder: put them beside it\.$")


def test_file_that_is_no_nrrd(tmp_path: Path) -> None:
    (tmp_path / "ct.nrrd").write_text("NRRD0009\n")
    refuse(tmp_path / "ct.nrrd", r"^The file has no NRRD header: export the scan again as \.nrrd\.$")


def test_missing_voxel_file(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "ct.nhdr")
    (tmp_path / "ct.raw").unlink()
    refuse(path, r"^The header's voxel file is missing: hand over a zip of both files\.$")


def test_colour_image(tmp_path: Path) -> None:
    image = sitk.Compose([sitk.Cast(make_ct() > 0, sitk.sitkUInt8)] * 3)
    refuse(
        write_ct(tmp_path / "ct.nrrd", image),
        r"^dimension is '4', expected 3: hand over one 3-D scan in grey",
    )
