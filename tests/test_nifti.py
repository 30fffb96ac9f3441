"""A NIfTI header is read in RAS and LPS alike, and refused where it is faulty or of something else."""

import gzip
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from luna16.intake import open_ct
from tests.small_ct import GEOMETRY, draw_chest, make_ct, write_ct

DIM, DATATYPE, VOX_OFFSET, SLOPE, INTERCEPT, QFORM, SFORM, SROW_X, MAGIC = (
    40,
    70,
    108,
    112,
    116,
    252,
    254,
    280,
    344,
)


def change(path: Path, *fields: tuple[int, str, object]) -> Path:
    """Overwrite fields of the header, each a place, a format and its values."""
    data = bytearray(path.read_bytes())
    for offset, form, *values in fields:
        struct.pack_into(form, data, offset, *values)
    path.write_bytes(data)
    return path


def refuse(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_ct(path)


def test_disk_holds_ras_and_we_give_lps(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "ct.nii")
    srow = struct.unpack_from("<12f", path.read_bytes(), SROW_X)
    assert srow[3] == -GEOMETRY.origin_xyz_mm[0]
    assert open_ct(path).scan.geometry.origin_xyz_mm == pytest.approx(GEOMETRY.origin_xyz_mm)


def test_scan_stored_in_ras_order_lies_at_the_same_place(tmp_path: Path) -> None:
    scan = open_ct(write_ct(tmp_path / "ct.nii", sitk.DICOMOrient(make_ct(), "RAS"))).scan
    first = scan.geometry.world_to_voxel(GEOMETRY.voxel_to_world((1, 2, 3)))
    place = tuple(map(round, first))
    assert place == (1, 21, 24)
    assert scan.voxels_hu[place] == draw_chest()[1, 2, 3]


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = make_ct(((draw_chest() + 4000) // 2).astype(np.int16))
    path = change(write_ct(tmp_path / "ct.nii", image), (SLOPE, "<2f", 2, -4000))
    np.testing.assert_array_equal(open_ct(path).scan.voxels_hu, draw_chest() // 2 * 2)


def test_big_endian_file_is_read(tmp_path: Path) -> None:
    path = write_ct(tmp_path / "ct.nii")
    little = path.read_bytes()
    header = np.frombuffer(little[:348], "u1").copy()
    for start, stop, size in (
        (0, 4, 4),
        (40, 56, 2),
        (68, 76, 2),
        (76, 120, 4),
        (252, 256, 2),
        (256, 328, 4),
    ):
        header[start:stop] = header[start:stop].reshape(-1, size)[:, ::-1].ravel()
    voxels = np.frombuffer(little[352:], "<i2").astype(">i2").tobytes()
    path.write_bytes(header.tobytes() + little[348:352] + voxels)
    np.testing.assert_array_equal(open_ct(path).scan.voxels_hu, draw_chest())


FAULTS = [
    (
        (DIM, "<5h", 4, 28, 24, 18, 3),
        r"^The header's dim is \[4, 28, 24, 18, 3, .*expected 3 axes: hand over one 3-D",
    ),
    ((DIM, "<4h", 3, 28, -24, 18), r"dim is .*, expected three sizes in voxels: export the scan again\.$"),
    (
        (DIM, "<4h", 3, 512, 512, 2000),
        "holds 24192 bytes of voxels where its header promises 1048576000: copy",
    ),
    (
        (DIM, "<4h", 3, 28, 24, 17),
        "holds more bytes of voxels where its header promises 22848: copy it again",
    ),
    ((DATATYPE, "<2h", 128, 24), r"^It is a colour image: hand over the CT itself, in HU\.$"),
    ((DATATYPE, "<2h", 32, 64), r"^Its datatype is 32 of 64 bits, expected 4 of 16: convert it to int16\.$"),
    ((DATATYPE, "<2h", 4, 8), r"^Its datatype is 4 of 8 bits"),
    ((VOX_OFFSET, "<f", 1e30), r"^The header's vox_offset is 1e\+30, expected 352: export the scan again\.$"),
    ((VOX_OFFSET, "<f", float("nan")), "vox_offset is nan, expected 352"),
    ((SROW_X, "<4f", -7.5, 0, 0, 0), "sform and pixdim are not of one spacing"),
    ((QFORM, "<2h", 0, 0), r"^The header does not say where the voxels lie: export with sform or qform\.$"),
    (
        (SROW_X, "<4f", -0.75, 0, 0.3, 0),
        r"^Its axes are oblique, as of a tilted gantry: resample the scan to upri",
    ),
    (
        (SROW_X, "<4f", float("nan"), 0, 0, 0),
        r"^The header's sform and pixdim are not of one spacing in mm: ex",
    ),
    (
        (MAGIC, "<4s", b"ni1"),
        r"^The file has no NIfTI-1 header: export the scan again as \.nii or \.nii\.gz\.$",
    ),
]


@pytest.mark.parametrize(("field", "words"), FAULTS)
def test_faulty_header(tmp_path: Path, field: tuple[int, str, object], words: str) -> None:
    refuse(change(write_ct(tmp_path / "ct.nii"), field), words)


@pytest.mark.parametrize(
    ("spacing", "words"), [((0.01, 1, 1), "0.01 x 1 x 1 mm"), ((1, 1, 20), "1 x 1 x 20 mm")]
)
def test_spacing_of_no_ct(tmp_path: Path, spacing: tuple[float, float, float], words: str) -> None:
    image = make_ct()
    image.SetSpacing(spacing)
    refuse(
        write_ct(tmp_path / "ct.nii", image),
        rf"^Its voxels are {words}, expected 0\.1 to 10 each way: convert",
    )


@pytest.mark.parametrize("keep", [0, 10, 10_000])
def test_compressed_file_cut_short(tmp_path: Path, keep: int) -> None:
    path = write_ct(tmp_path / "ct.nii.gz")
    os.truncate(path, keep)
    refuse(path, r"is cut short and does not inflate: copy it again\.$|^The file has no NIfTI-1 header")


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxel_that_is_no_number_is_not_taken_for_zero(tmp_path: Path, name: str, value: float) -> None:
    voxels = np.tile(draw_chest().astype(np.float32), (1, 8, 8))  # more than a block
    voxels[-1, -1, -1] = value
    geometry = replace(GEOMETRY, size_zyx_vox=voxels.shape)
    refuse(
        write_ct(tmp_path / name, make_ct(voxels, geometry)), r"^Some voxels are NaN or infinite, expected HU"
    )


def test_bomb_is_inflated_no_further_than_its_header_promises(tmp_path: Path) -> None:
    whole = gzip.decompress(write_ct(tmp_path / "ct.nii.gz").read_bytes())
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(whole + bytes(64 << 20), 1))
    refuse(
        tmp_path / "ct.nii.gz", r"^The file holds more bytes of voxels where its header promises 24192: copy"
    )
