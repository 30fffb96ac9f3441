"""A MetaImage header that is faulty, hostile or of something else is refused with its key and value."""

import os
import re
from pathlib import Path

import pytest
import SimpleITK as sitk  # noqa: N813

from luna16.intake import open_ct
from tests.small_ct import make_ct, write_ct


def refuse(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(path)


def change_header(path: Path, key: str, line: str) -> Path:
    """Put a line in the place of that of ``key``."""
    path.write_bytes(re.sub(rf"^{key} = .*$".encode(), line.encode(), path.read_bytes(), count=1, flags=re.M))
    return path


FAULTS = [
    ("NDims", "NDims = 4", "NDims is '4', expected 3: hand over one plain 3-D scan."),
    (
        "ObjectType",
        "ElementNumberOfChannels = 3",
        "ElementNumberOfChannels is '3', expected 1: hand over one",
    ),
    ("ObjectType", "HeaderSize = -1", "HeaderSize is '-1', expected 0: hand over one plain 3-D scan."),
    ("BinaryData", "BinaryData = False", "BinaryData is 'False', expected True: hand over one plain"),
    ("CompressedData", "CompressedData = 1", "CompressedData is '1', expected True or False: export"),
    ("ElementType", "ElementType = MET_STRING", "ElementType is 'MET_STRING', expected MET_SHORT: convert"),
    (
        "ElementSpacing",
        "ElementSpacing = 0 1 1",
        "ElementSpacing is '0 1 1', expected three of 0.1 to 10 mm:",
    ),
    ("ElementSpacing", "ElementSpacing = 1 1 11", "ElementSpacing is '1 1 11', expected three of 0.1 to 10"),
    ("Offset", "Offset = 1e300 0 0", "Its origin is no place of up to 100 m: convert the scan again."),
    ("TransformMatrix", "TransformMatrix = 1e300 0 0 0 1 0 0 0 1", "expected an orthonormal 3 x 3 matrix:"),
    ("Offset", "Offset = nan 0 0", "Offset is 'nan 0 0', expected three numbers in mm: convert"),
    (
        "TransformMatrix",
        "TransformMatrix = 1 0 0 0 1 0.3 0 0 1",
        "expected an orthonormal 3 x 3 matrix: convert",
    ),
    ("DimSize", "DimSize = 28 -24 18", "DimSize is '28 -24 18', expected three sizes in voxels: export"),
    ("DimSize", "DimSize = 28 24 3", "The scan has 28 x 24 x 3 voxels, expected 16 or more each way: hand"),
    (
        "DimSize",
        "DimSize = 4096 4096 4096",
        "has 4096 x 4096 x 4096 voxels, expected 536870912 in all at most",
    ),
    ("DimSize", "DimSize = 512 512 2000", "holds 24192 bytes of voxels where its header promises 1048576000"),
    (
        "ObjectType",
        "DimSize = 1 1 1",
        "is no MetaImage header of lines with a key each: export the scan again.",
    ),
    ("ObjectType", "DimSize : 1 1 1 = x", "is no MetaImage header of lines with a key each"),
    ("ElementDataFile", "x = y", "The MetaImage header has no ElementDataFile: export the scan again."),
    (
        "ElementDataFile",
        "ElementDataFile = other.raw",
        "voxel file is missing: hand over a zip of both files.",
    ),
]


@pytest.mark.parametrize(("key", "line", "message"), FAULTS)
def test_faulty_header(tmp_path: Path, key: str, line: str, message: str) -> None:
    refuse(change_header(write_ct(tmp_path / "ct.mhd"), key, line), re.escape(message))


NAMES = [
    "../ct.raw",
    "/etc/hostname",
    "a/ct.raw",
    "a\\ct.raw",
    "LIST",
    "slice%03d.raw 1 18 1",
    "*.raw",
    "",
    "..",
]


@pytest.mark.parametrize("name", NAMES)
def test_header_that_points_outside_its_folder(tmp_path: Path, name: str) -> None:
    path = change_header(
        write_ct(tmp_path / "ct.mhd"), "ElementDataFile", "ElementDataFile = " + name.replace("\\", "\\\\")
    )
    refuse(path, r"^The header names voxels outside its own folder: put them beside it\.$|file is missing")


def test_voxels_of_another_name_are_read_where_the_header_says_so(tmp_path: Path) -> None:
    path = change_header(write_ct(tmp_path / "ct.mhd"), "ElementDataFile", "ElementDataFile = the voxels.raw")
    (tmp_path / "ct.raw").rename(tmp_path / "the voxels.raw")
    assert open_ct(path).format == "MetaImage"


@pytest.mark.parametrize("name", ["ct.mhd", "ct.mha"])
@pytest.mark.parametrize("line", ["", "CompressedDataSize = 99999999999"])
def test_compressed_voxels_need_their_size(tmp_path: Path, name: str, line: str) -> None:
    path = change_header(write_ct(tmp_path / name, compress=True), "CompressedDataSize", line or "x = y")
    refuse(path, r"^CompressedDataSize is .*, but \d+ bytes are there: copy the scan again\.$")


@pytest.mark.parametrize(("name", "num_bytes"), [("ct.raw", -1), ("ct.mha", -1), ("ct.mha", 400)])
def test_file_cut_short(tmp_path: Path, name: str, num_bytes: int) -> None:
    path = write_ct(tmp_path / name.replace("raw", "mhd"))
    cut = tmp_path / name
    os.truncate(cut, num_bytes if num_bytes > 0 else cut.stat().st_size + num_bytes)
    refuse(path, r"^The file holds \d+ bytes of voxels where its header promises 24192: copy it again\.$")


def test_damaged_compressed_voxels(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "ct.mhd", compress=True)
    voxels = tmp_path / "ct.zraw"
    data = voxels.read_bytes()
    voxels.write_bytes(data[:200] + bytes(1000) + data[1200:])
    refuse(path, r"^The compressed part of the file is damaged and does not inflate: copy it again\.$")


def test_colour_image(tmp_path: Path) -> None:
    image = sitk.Compose([sitk.Cast(make_ct() > 0, sitk.sitkUInt8)] * 3)
    refuse(
        write_ct(tmp_path / "ct.mha", image),
        r"^ElementNumberOfChannels is '3', expected 1: hand over one plain",
    )
