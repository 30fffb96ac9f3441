"""Each fault of a scan is found and named, on a scan of the phantom that has just that fault."""

import re
import shutil
import zlib
from pathlib import Path

import pytest
import SimpleITK as sitk  # noqa: N813

from luna16 import scan_check
from luna16.faults import FaultKind
from luna16.phantom import write_image
from luna16.phantom_scanner import SCANNERS
from luna16.scan import ScanFile, find_scans, load_scan
from luna16.scan_check import CheckedScan, ScanTask, check_scan

COMPRESSED = next(scanner for scanner in SCANNERS if scanner.is_compressed)
NUM_BYTES = 96 * 192 * 192 * 2
PLACE = "subset0, scan 1 of 1 in name order"


@pytest.fixture
def file(tmp_path: Path, scans: Path) -> ScanFile:
    """One scan of the phantom, on disk, to be broken."""
    folder = tmp_path / "subset0"
    folder.mkdir()
    series_uid = find_scans(scans)[0].series_uid
    for suffix in (".mhd", ".raw"):
        shutil.copy(scans / "subset0" / f"{series_uid}{suffix}", folder)
    return find_scans(tmp_path)[0]


def set_header(file: ScanFile, key: str, value: str | None) -> None:
    line = "" if value is None else f"{key} = {value}\n"
    text = re.sub(rf"^{key} = .*\n", line, file.path.read_text(), flags=re.MULTILINE)
    file.path.write_text(text)


def compress(file: ScanFile) -> Path:
    scan = load_scan(file)
    file.path.with_suffix(".raw").unlink()
    write_image(file.path, scan.voxels_hu, scan.geometry, COMPRESSED)
    return file.path.with_suffix(".zraw")


def only_fault(file: ScanFile) -> tuple[FaultKind, str]:
    (fault,) = check_scan(ScanTask(file)).faults
    assert (fault.place, fault.series_uid) == (PLACE, file.series_uid)
    assert file.series_uid not in fault.detail
    return fault.kind, fault.detail


def test_sound_scan_has_no_fault_and_is_described(file: ScanFile) -> None:
    checked, scan = check_scan(ScanTask(file)), load_scan(file)
    assert checked.faults == ()
    assert checked.geometry == scan.geometry
    assert checked.voxels is not None
    assert checked.voxels.num_bytes == NUM_BYTES
    assert (checked.voxels.lowest_hu, checked.voxels.highest_hu) == (
        scan.voxels_hu.min(),
        scan.voxels_hu.max(),
    )


@pytest.mark.parametrize("suffix", [".raw", ".zraw"])
def test_values_are_given_at_the_places_asked_for(file: ScanFile, suffix: str) -> None:
    scan = load_scan(file)
    if suffix == ".zraw":
        compress(file)
    places_zyx_vox = [(0, 0, 0), (95, 191, 191), (40, 30, 20), (95.6, 0, 0), (13.4, 2.6, 0)]
    probes_xyz_mm = tuple(scan.geometry.voxel_to_world(place) for place in places_zyx_vox)
    voxels = check_scan(ScanTask(file, probes_xyz_mm)).voxels
    assert voxels is not None
    expected = [int(scan.voxels_hu[place]) for place in [(0, 0, 0), (95, 191, 191), (40, 30, 20)]]
    assert voxels.probes_hu == (*expected, None, int(scan.voxels_hu[13, 3, 0]))


def test_voxels_have_the_same_hash_when_compressed(file: ScanFile) -> None:
    plain = check_scan(ScanTask(file))
    compress(file)
    assert check_scan(ScanTask(file)).voxels == plain.voxels


HEADERS = [
    ("ElementSpacing", "0 0.7 1.25", FaultKind.SPACING, "'0 0.7 1.25', expected three of 0.1 to 10 mm"),
    ("ElementSpacing", "-0.7 0.7 1.25", FaultKind.SPACING, "'-0.7 0.7 1.25', expected three"),
    ("ElementSpacing", "0.07 0.07 0.125", FaultKind.SPACING, "'0.07 0.07 0.125', expected three"),
    ("ElementSpacing", "nan 0.7 1.25", FaultKind.SPACING, "'nan 0.7 1.25', expected three"),
    ("ElementSpacing", None, FaultKind.SPACING, "ElementSpacing is missing"),
    ("Offset", "1 2", FaultKind.SPACING, "Offset is '1 2', expected three numbers in mm"),
    ("TransformMatrix", "1 0 0 0 1 0 0 0.3 1", FaultKind.DIRECTION, "expected an orthonormal 3 x 3 matrix"),
    ("TransformMatrix", "0 0 0 0 0 0 0 0 0", FaultKind.DIRECTION, "expected an orthonormal 3 x 3 matrix"),
    ("ElementType", "MET_FLOAT", FaultKind.VOXEL_TYPE, "'MET_FLOAT', expected MET_SHORT"),
    ("ElementType", "MET_USHORT", FaultKind.VOXEL_TYPE, "'MET_USHORT', expected MET_SHORT"),
    ("DimSize", "192 192", FaultKind.VOXEL_TYPE, "DimSize is '192 192', expected three sizes"),
    ("DimSize", "192 192 0", FaultKind.VOXEL_TYPE, "DimSize is '192 192 0', expected three sizes"),
    ("DimSize", "192 192 97", FaultKind.VOXEL_LENGTH, f"{NUM_BYTES} bytes of voxels, expected 7151616"),
    ("DimSize", "99999 99999 99999", FaultKind.VOXEL_LENGTH, f"{NUM_BYTES} bytes of voxels, expected 19"),
    ("ElementDataFile", "../outside.raw", FaultKind.VOXEL_FILE, "voxels outside its own folder"),
    ("ElementDataFile", "/etc/hostname", FaultKind.VOXEL_FILE, "voxels outside its own folder"),
    ("ElementDataFile", "nowhere.raw", FaultKind.VOXEL_FILE, "its .raw file is missing"),
    ("ElementDataFile", "LOCAL", FaultKind.VOXEL_FILE, "file is missing"),
    ("ElementDataFile", None, FaultKind.VOXEL_FILE, "ElementDataFile is missing"),
    ("NDims", "2", FaultKind.HEADER, "header tells of 2-D"),
    ("ElementNumberOfChannels", "3", FaultKind.HEADER, "vector of 16-bit"),
]


@pytest.mark.parametrize(("key", "value", "kind", "words"), HEADERS)
def test_fault_in_the_header(
    file: ScanFile,
    key: str,
    value: str | None,
    kind: FaultKind,
    words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if key not in file.path.read_text():
        set_header(file, "NDims", f"3\n{key} = 1")
    set_header(file, key, value)
    found, detail = only_fault(file)
    assert found is kind
    assert words in detail
    assert capfd.readouterr().err == ""


def test_all_faults_of_a_header_are_told_at_once(file: ScanFile) -> None:
    set_header(file, "ElementSpacing", "0 0 0")
    set_header(file, "TransformMatrix", "1 1 1 1 1 1 1 1 1")
    assert [fault.kind for fault in check_scan(ScanTask(file)).faults] == [
        FaultKind.SPACING,
        FaultKind.DIRECTION,
    ]


def test_file_that_is_no_header(file: ScanFile) -> None:
    file.path.write_bytes(bytes(range(256)) * 4)
    assert only_fault(file) == (FaultKind.HEADER, "it is no MetaImage header.")


def test_header_that_names_another_scans_voxels(file: ScanFile) -> None:
    shutil.copy(file.path.with_suffix(".raw"), file.path.with_name("2.25.7.raw"))
    set_header(file, "ElementDataFile", "2.25.7.raw")
    assert only_fault(file) == (FaultKind.VOXEL_FILE, "its header names the voxels of another scan.")


@pytest.mark.parametrize("num_bytes", [0, 1001, NUM_BYTES - 1, NUM_BYTES + 2])
def test_raw_file_of_another_length(file: ScanFile, num_bytes: int) -> None:
    with file.path.with_suffix(".raw").open("r+b") as voxels:
        voxels.truncate(num_bytes)
    words = f"{num_bytes} bytes of voxels, expected {NUM_BYTES} by its header."
    assert only_fault(file) == (FaultKind.VOXEL_LENGTH, words)


def replace_zraw(file: ScanFile, data: bytes) -> None:
    """Put other bytes where the compressed voxels are."""
    compress(file).write_bytes(data)
    set_header(file, "CompressedDataSize", str(len(data)))


@pytest.mark.parametrize("garbage", [b"", b"garbage" * 1000])
def test_zraw_file_that_is_garbage(file: ScanFile, garbage: bytes) -> None:
    replace_zraw(file, garbage)
    assert only_fault(file)[0] is FaultKind.VOXELS_DAMAGED


def test_zraw_file_of_another_size_than_the_header_says(file: ScanFile) -> None:
    compress(file)
    set_header(file, "CompressedDataSize", "-5")
    kind, detail = only_fault(file)
    assert kind is FaultKind.VOXELS_DAMAGED
    assert "not what its header says" in detail


def test_zraw_file_with_some_bits_turned(file: ScanFile) -> None:
    path = compress(file)
    data = bytearray(path.read_bytes())
    for i in range(10_000, 11_000):
        data[i] ^= 1
    path.write_bytes(data)
    assert only_fault(file)[0] is FaultKind.VOXELS_DAMAGED


def test_zraw_file_cut_short(file: ScanFile) -> None:
    path = compress(file)
    path.write_bytes(path.read_bytes()[:-10])
    set_header(file, "CompressedDataSize", str(path.stat().st_size))
    words = "its .zraw file is cut short and does not inflate."
    assert only_fault(file) == (FaultKind.VOXELS_DAMAGED, words)


@pytest.mark.parametrize("num_bytes", [NUM_BYTES - 1, 1 << 30])
def test_zraw_file_that_inflates_to_another_length(file: ScanFile, num_bytes: int) -> None:
    replace_zraw(file, zlib.compress(bytes(num_bytes), level=1))
    assert only_fault(file)[0] is FaultKind.VOXEL_LENGTH


def write_voxels(file: ScanFile, change) -> None:
    voxels_hu = load_scan(file).voxels_hu
    file.path.with_suffix(".raw").write_bytes(change(voxels_hu).astype("<i2").tobytes())


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda hu: hu * 0 - 1000, FaultKind.VOXELS_EQUAL, "every voxel is -1000 HU."),
        (lambda hu: hu.clip(-1024) + 1024, FaultKind.HU_RANGE, "values are 0 to "),
        (lambda hu: hu.clip(None, -100), FaultKind.HU_RANGE, "to -100 HU, expected air below -500"),
        (lambda hu: hu.byteswap(), FaultKind.HU_RANGE, "the bytes may be in the wrong order"),
    ],
)
def test_values_that_are_no_hu(file: ScanFile, change, kind: FaultKind, words: str) -> None:
    write_voxels(file, change)
    found, detail = only_fault(file)
    assert found is kind
    assert words in detail


def test_padding_and_metal_are_no_fault(file: ScanFile) -> None:
    def change(voxels_hu):
        voxels_hu[:, :15], voxels_hu[50, 90:95, 90:95] = -3024, 30000
        return voxels_hu

    write_voxels(file, change)
    assert check_scan(ScanTask(file)).faults == ()


def test_other_byte_order_is_read_as_the_header_says(file: ScanFile) -> None:
    write_voxels(file, lambda hu: hu.byteswap())
    set_header(file, "BinaryDataByteOrderMSB", "True")
    voxels_hu = sitk.GetArrayFromImage(sitk.ReadImage(str(file.path)))
    checked = check_scan(ScanTask(file))
    assert checked.faults == ()
    assert checked.voxels is not None
    assert checked.voxels.highest_hu == voxels_hu.max()


def test_name_that_is_no_uid_is_told_but_the_scan_is_used(file: ScanFile) -> None:
    set_header(file, "ElementDataFile", "Doe_John.raw")
    named = ScanFile("Doe_John", 0, file.path.rename(file.path.with_name("Doe_John.mhd")), PLACE)
    (file.path.with_suffix(".raw")).rename(file.path.with_name("Doe_John.raw"))
    checked: CheckedScan = check_scan(ScanTask(named))
    assert [fault.kind for fault in checked.faults] == [FaultKind.SCAN_NAME]
    assert not checked.faults[0].kind.sets_aside
    assert checked.voxels is not None


def test_file_that_cannot_be_opened(file: ScanFile) -> None:
    file.path.unlink()
    file.path.symlink_to(file.path.name)  # a loop: an OSError even for root, who may read everything
    assert only_fault(file) == (FaultKind.UNREADABLE, "Too many levels of symbolic links.")


def test_error_that_nobody_thought_of_is_a_fault(file: ScanFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_check, "measure_voxels", lambda *_, **__: 1 / 0)
    assert only_fault(file) == (FaultKind.NOT_CHECKED, "ZeroDivisionError.")
