"""Scans are found, read in their own geometry, and refused in one line when a file is damaged."""

import itertools
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.inflation import READ_BYTES
from luna16.phantom import write_image
from luna16.phantom_scanner import SCANNERS
from luna16.scan import (
    Int16Array,
    ScanFile,
    find_scans,
    list_subset,
    load_scan,
    read_voxel_blocks,
)

PLAIN, COMPRESSED, FLIPPED = SCANNERS
UIDS = ("2.25.1111", "2.25.2222", "2.25.3333")


def make_voxels() -> Int16Array:
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def write_subset(root: Path, subset: int = 0, scanner=PLAIN, uids: tuple[str, ...] = UIDS) -> Path:
    folder = root / f"subset{subset}"
    folder.mkdir(parents=True)
    geometry = Geometry((10.0, 20.0, 30.0), (0.5, 1.0, 2.0), AXIAL_DIRECTION, (4, 5, 6))
    for uid in uids:
        write_image(folder / f"{uid}.mhd", make_voxels(), geometry, scanner)
    return folder


def load_second(root: Path) -> None:
    load_scan(find_scans(root)[1])


def test_scans_are_sorted_by_subset_and_name(tmp_path: Path) -> None:
    write_subset(tmp_path, 10, uids=("2.25.1",))
    write_subset(tmp_path, 2, uids=("2.25.9", "2.25.5"))
    scans = find_scans(tmp_path)
    assert [(scan.subset, scan.series_uid) for scan in scans] == [
        (2, "2.25.5"),
        (2, "2.25.9"),
        (10, "2.25.1"),
    ]


def test_hidden_files_of_a_mac_are_no_scans(tmp_path: Path) -> None:
    (write_subset(tmp_path) / f"._{UIDS[0]}.mhd").write_bytes(b"\x00\x05\x16\x07")
    assert [scan.series_uid for scan in find_scans(tmp_path)] == list(UIDS)


def test_header_with_an_upper_case_suffix_is_a_scan(tmp_path: Path) -> None:
    path = write_subset(tmp_path) / f"{UIDS[0]}.mhd"
    path.rename(path.with_suffix(".MHD"))
    assert [scan.series_uid for scan in find_scans(tmp_path)] == list(UIDS)
    assert load_scan(find_scans(tmp_path)[0]).series_uid == UIDS[0]


def test_only_the_subsets_asked_for_are_listed(tmp_path: Path) -> None:
    write_subset(tmp_path, 0, uids=("2.25.1",))
    write_subset(tmp_path, 1, uids=("2.25.2",))
    assert [scan.series_uid for scan in find_scans(tmp_path, [1])] == ["2.25.2"]


@pytest.mark.parametrize("scanner", [PLAIN, COMPRESSED])
def test_voxels_and_geometry_are_read_as_written(tmp_path: Path, scanner) -> None:
    write_subset(tmp_path, scanner=scanner)
    scan = load_scan(find_scans(tmp_path)[0])
    assert scan.voxels_hu.dtype == np.int16
    np.testing.assert_array_equal(scan.voxels_hu, make_voxels())
    assert scan.geometry == Geometry((10.0, 20.0, 30.0), (0.5, 1.0, 2.0), AXIAL_DIRECTION, (4, 5, 6))


def test_flipped_scan_has_each_voxel_at_the_same_place(tmp_path: Path) -> None:
    write_subset(tmp_path, 0, PLAIN, uids=("2.25.1",))
    write_subset(tmp_path, 1, FLIPPED, uids=("2.25.2",))
    plain, flipped = (load_scan(file) for file in find_scans(tmp_path))
    center_xyz_mm = plain.geometry.voxel_to_world((1, 2, 3))
    place = tuple(round(i) for i in flipped.geometry.world_to_voxel(center_xyz_mm))
    assert place == (1, 2, 2)
    assert flipped.voxels_hu[place] == plain.voxels_hu[1, 2, 3]


def test_missing_data_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No data folder .*nowhere. Check the path."):
        find_scans(tmp_path / "nowhere")


def test_folder_without_subsets(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no subset folder, expected subset0"):
        find_scans(tmp_path)


def test_subset_that_is_not_there(tmp_path: Path) -> None:
    write_subset(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder subset7; it has subsets \[0\]"):
        find_scans(tmp_path, [7])


def test_subset_without_a_scan(tmp_path: Path) -> None:
    (tmp_path / "subset3").mkdir()
    with pytest.raises(FileNotFoundError, match=r"subset3 holds no .mhd file"):
        find_scans(tmp_path)


def test_scan_that_lies_in_two_subsets(tmp_path: Path) -> None:
    write_subset(tmp_path, 0)
    write_subset(tmp_path, 1, uids=UIDS[:1])
    with pytest.raises(ValueError, match=r"subset1, scan 1 of 1 .* is also subset0, scan 1 of 3"):
        find_scans(tmp_path)


def test_missing_raw_file(tmp_path: Path) -> None:
    (write_subset(tmp_path) / f"{UIDS[1]}.raw").unlink()
    with pytest.raises(ValueError, match=r"^subset0, scan 2 of 3 in name order: its .raw file is missing.$"):
        load_second(tmp_path)


@pytest.mark.parametrize("name", ["../outside.raw", "/etc/hostname", "folder/2.25.2222.raw"])
def test_header_that_points_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    (tmp_path / "outside.raw").write_bytes(bytes(240))
    path.write_text(path.read_text().replace(f"{UIDS[1]}.raw", name))
    with pytest.raises(ValueError, match=r"scan 2 of 3 .* its header names voxels outside its own folder"):
        load_second(tmp_path)


def test_header_that_names_the_voxels_of_another_scan_is_refused(tmp_path: Path) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    path.write_text(path.read_text().replace(f"{UIDS[1]}.raw", f"{UIDS[0]}.raw"))
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: its header names the voxels of another scan\.$"):
        load_second(tmp_path)


def test_header_that_holds_its_voxels_itself_is_refused(tmp_path: Path) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    path.write_text(path.read_text().replace(f"{UIDS[1]}.raw", "LOCAL"))
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: its voxel file is missing\.$"):
        load_second(tmp_path)


def test_scan_of_equal_voxels_is_refused(tmp_path: Path) -> None:
    (write_subset(tmp_path) / f"{UIDS[1]}.raw").write_bytes(bytes(240))
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: every voxel is 0 HU\.$"):
        load_second(tmp_path)


def test_header_of_a_size_beyond_64_bit_is_refused(tmp_path: Path) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    path.write_text(re.sub("DimSize = .*", "DimSize = 2097152 2097152 2097152", path.read_text()))
    with pytest.raises(ValueError, match=r"its .raw file holds 240 bytes, expected 18446744073709551616"):
        load_second(tmp_path)


HEADER_FAULTS = [
    ("ElementSpacing", "0 1 1", "ElementSpacing is '0 1 1', expected three of 0.1 to 10 mm."),
    ("ElementSpacing", "-1 1 1", "ElementSpacing is '-1 1 1', expected three of 0.1 to 10 mm."),
    ("Offset", "nan 0 0", "Offset is 'nan 0 0', expected three numbers in mm."),
    ("DimSize", "5 -5 6", "DimSize is '5 -5 6', expected three sizes in voxels."),
    (
        "TransformMatrix",
        "1 1 0 0 1 0 0 0 1",
        "TransformMatrix is '1 1 0 0 1 0 0 0 1', expected an orthonormal",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), HEADER_FAULTS)
def test_faulty_header_is_named_with_key_and_value(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    path.write_text(re.sub(f"{key} = .*", f"{key} = {value}", path.read_text()))
    with pytest.raises(ValueError, match=re.escape(f"subset0, scan 2 of 3 in name order: {message}")):
        load_second(tmp_path)


def test_zraw_file_that_inflates_to_much_more_comes_in_small_blocks(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zraw"
    path.write_bytes(zlib.compress(bytes(64 << 20)))
    file = ScanFile("2.25.1", 0, path, "subset0, scan 1 of 1 in name order")
    sizes = [len(block) for block in read_voxel_blocks(file, path, {"CompressedData": "True"})]
    assert max(sizes) <= READ_BYTES
    assert sum(sizes) == 64 << 20


def test_zraw_file_with_bytes_after_its_end_is_read_to_the_end_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "longer.zraw"
    path.write_bytes(zlib.compress(bytes(5_000_000)) + b"more" * 1000)
    file = ScanFile("2.25.1", 0, path, "subset0, scan 1 of 1 in name order")
    blocks = read_voxel_blocks(file, path, {"CompressedData": "True"})
    assert sum(map(len, itertools.islice(blocks, 100))) == 5_000_000
    assert next(blocks, None) is None


def test_voxels_that_may_not_be_read_are_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_subset(tmp_path)
    opened = Path.open

    def refuse_raw(path: Path, *args: object, **options: object) -> object:
        if path.suffix == ".raw":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse_raw)
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: it cannot be read \(Permission denied\)\.$"):
        load_second(tmp_path)


def refuse(path: Path, *_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_subset(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    message = f"{folder} cannot be read (Permission denied). Check its rights."
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        list_subset(tmp_path, 0)


def test_short_raw_file(tmp_path: Path) -> None:
    os.truncate(write_subset(tmp_path) / f"{UIDS[1]}.raw", 100)
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: its .raw file holds 100 bytes, expected 240"):
        load_second(tmp_path)


def test_zraw_file_cut_short(tmp_path: Path) -> None:
    path = write_subset(tmp_path, scanner=COMPRESSED) / f"{UIDS[1]}.zraw"
    os.truncate(path, path.stat().st_size - 5)
    with pytest.raises(ValueError, match=r"its .zraw file is cut short and does not inflate"):
        load_second(tmp_path)


def test_zraw_file_of_another_size_than_its_header_says(tmp_path: Path) -> None:
    path = write_subset(tmp_path, scanner=COMPRESSED) / f"{UIDS[1]}.mhd"
    path.write_text(re.sub("CompressedDataSize = .*", "CompressedDataSize = -5", path.read_text()))
    with pytest.raises(ValueError, match=r"its .zraw file has \d+ bytes, which is not what its header says"):
        load_second(tmp_path)


def test_damaged_zraw_file(tmp_path: Path) -> None:
    path = write_subset(tmp_path, scanner=COMPRESSED) / f"{UIDS[1]}.zraw"
    data = bytearray(path.read_bytes())
    data[10:14] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"its .zraw file is damaged and does not inflate"):
        load_second(tmp_path)


def test_header_that_is_none(tmp_path: Path) -> None:
    (write_subset(tmp_path) / f"{UIDS[1]}.mhd").write_text("hello\n")
    with pytest.raises(ValueError, match=r"scan 2 of 3 .*: it is no MetaImage header"):
        load_second(tmp_path)


def test_voxels_that_are_not_16_bit(tmp_path: Path) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}.mhd"
    path.write_text(path.read_text().replace("MET_SHORT", "MET_FLOAT"))
    with pytest.raises(ValueError, match=r"ElementType is 'MET_FLOAT', expected MET_SHORT"):
        load_second(tmp_path)


@pytest.mark.parametrize("suffix", [".mhd", ".raw"])
def test_file_that_may_not_be_read(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_subset(tmp_path) / f"{UIDS[1]}{suffix}"
    path.unlink()
    path.symlink_to(path.name)  # a loop: an OSError even for root, who may read everything
    with pytest.raises(ValueError, match=r"scan 2 of 3 in name order"):
        load_second(tmp_path)


@pytest.mark.parametrize("scanner", [PLAIN, COMPRESSED])
def test_damage_shows_no_uid_and_nothing_of_simpleitk(
    tmp_path: Path, scanner, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_subset(tmp_path, scanner=scanner)
    os.truncate(next(folder.glob(f"{UIDS[1]}.*raw")), 20)
    with pytest.raises(ValueError, match=r"scan 2 of 3") as caught:
        load_second(tmp_path)
    assert UIDS[1] not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_no_repr_shows_the_uid(tmp_path: Path) -> None:
    write_subset(tmp_path)
    file: ScanFile = find_scans(tmp_path)[0]
    assert UIDS[0] not in repr(file) + repr(load_scan(file))
