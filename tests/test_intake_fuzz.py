"""Whatever bytes are handed over: a CT, or one line without a name, no file left and no memory taken.

The usual suite tries some hundred cases, ``make fuzz`` over ten thousand new ones.
"""

import gzip
import io
import resource
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from luna16.intake import Limits, open_ct
from luna16.scan import Int16Array
from tests.small_ct import PATIENT, compress_slice, draw_chest, write_ct, write_series, zip_folder

LIMITS = Limits(min_side_vox=4, max_voxels=1 << 18, max_unpacked_bytes=1 << 22, spare_bytes=0)
SECRETS = ("secret", PATIENT, "2.25.4711")
MEMORY_KIB = 300 << 10
FEW, MANY = 20, 700

Edit = tuple[str, float, bytes]
"""What is done, at which part of the bytes, and with which others."""

VALUES = (
    *("0", "-1", "1e308", "nan", "-inf", "4294967296", "9223372036854775807", "99999999999999999999", "3.5"),
    *(
        "LOCAL",
        "LIST",
        "../../etc/passwd",
        "/dev/zero",
        "slice%03d.raw 1 9 1",
        "True",
        "False",
        "gzip",
        "hex",
    ),
    *("1 1 1", "0 0 0", "1000000 1000000 1000000", "65536 65536 1", "5 5 5 5", "(1,0,0) (0,1,0) (0,0,0)", ""),
    *(
        "MET_DOUBLE",
        "MET_STRING",
        "double",
        "block",
        "uchar",
        "4",
        "2",
        "left-anterior-superior-time",
        "none",
    ),
)
edits = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "insert", "cut", "end", "value", "repeat"]),
        st.floats(0, 1) | st.floats(0, 0.02),
        st.binary(max_size=8) | st.sampled_from(VALUES).map(str.encode),
    ),
    min_size=1,
    max_size=3,
)


def apply(data: bytes, changes: list[Edit]) -> bytes:
    for kind, part, new in changes:
        start = int(part * len(data))
        line = (data.rfind(b"\n", 0, start) + 1, max(data.find(b"\n", start), start))
        value = max(data.find(b"=", *line), data.find(b":", *line), line[0] - 1) + 1
        data = {
            "overwrite": data[:start] + new + data[start + len(new) :],
            "insert": data[:start] + new + data[start:],
            "cut": data[:start] + data[start + len(new) :],
            "end": data[:start],
            "value": data[:value] + b" " + new + data[line[1] :],
            "repeat": data[: line[1]] + data[line[0] - 1 :],
        }[kind]
    return data


@pytest.fixture(autouse=True)
def temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Hold that no library prints a name, and that memory stays as it was."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_KIB
    assert not [secret for secret in SECRETS if secret in capfd.readouterr().err]


def assert_handled(path: Path) -> None:
    try:
        ct = open_ct(path, limits=LIMITS)
    except (ValueError, OSError) as error:
        text = str(error)
        assert text.isprintable()
        assert 20 < len(text) < 300
        assert not [secret for secret in SECRETS if secret in text]
        assert text.endswith((".", ".)"))
    else:
        assert ct.scan.voxels_hu.dtype == "int16"
        assert ct.scan.voxels_hu.shape == ct.scan.geometry.size_zyx_vox
    assert not list(Path(tempfile.gettempdir()).iterdir())


def try_many(num_cases: int, strategy: st.SearchStrategy, check: Callable) -> None:
    few = settings(
        max_examples=num_cases,
        deadline=None,
        database=None,
        derandomize=num_cases == FEW,
        suppress_health_check=list(HealthCheck),
    )
    few(given(strategy)(check))()


some_or_many = pytest.mark.parametrize(
    "num_cases",
    [FEW, pytest.param(MANY, marks=[pytest.mark.fuzz, pytest.mark.slow, pytest.mark.timeout(1200)])],
)


MAGIC_BYTES = {".mhd": 0, ".mha": 0, ".nii": 4, ".gz": 10, ".nrrd": 9, ".nhdr": 9}
"""How much of a file is left as it is, because without it no reader would look further."""


@some_or_many
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["ct.mha", "ct.mhd", "ct.nii", "ct.nii.gz", "ct.nrrd", "ct.nhdr"])
def test_changed_image_file(tmp_path: Path, *, name: str, compress: bool, num_cases: int) -> None:
    path = write_ct(tmp_path / name.replace("ct", "secret"), compress=compress)
    whole, kept = path.read_bytes(), MAGIC_BYTES[path.suffix]

    def check(changes: list[Edit]) -> None:
        path.write_bytes(whole[:kept] + apply(whole[kept:], changes))
        assert_handled(path)

    try_many(num_cases, edits, check)


@some_or_many
def test_changed_nifti_field(tmp_path: Path, num_cases: int) -> None:
    path = write_ct(tmp_path / "secret.nii")
    whole = path.read_bytes()

    def check(fields: dict[int, int]) -> None:
        data = bytearray(whole)
        for place, value in fields.items():
            struct.pack_into("<H", data, 2 * place, value)
        path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
        assert_handled(path)

    places = st.integers(20, 70) | st.integers(2, 171)
    values = st.integers(0, 65535) | st.sampled_from([0, 1, 3, 0x7F80, 0x7FC0, 0xFF80, 0xFFFF])
    try_many(num_cases, st.dictionaries(places, values, min_size=1, max_size=3), check)
    path = path.with_suffix(".nii.gz")
    try_many(num_cases, st.dictionaries(places, values, min_size=1, max_size=3), check)


def few_slices() -> Int16Array:
    return draw_chest()[6:10]


@some_or_many
@pytest.mark.parametrize("compressor", ["", "RLE", "JPEG", "JPEG2000"])
def test_changed_dicom_file(tmp_path: Path, compressor: str, num_cases: int) -> None:
    def pack(dataset: Dataset, place: int) -> None:
        if compressor and place == 1:
            compress_slice(dataset, compressor)

    folder = write_series(tmp_path / "secret", voxels_hu=few_slices(), change=pack)
    path = sorted(folder.iterdir())[1]
    whole = path.read_bytes()

    def check(changes: list[Edit]) -> None:
        path.write_bytes(whole[:132] + apply(whole[132:], changes))
        assert_handled(folder)

    try_many(num_cases, edits, check)


ELEMENTS = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
    *("NumberOfFrames", "RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagePositionPatient"),
    *("ImageOrientationPatient", "PhotometricInterpretation", "Modality", "ImageType", "SeriesInstanceUID"),
)


@some_or_many
@pytest.mark.parametrize("compressor", ["", "JPEG2000"])
def test_dicom_file_of_hostile_values(tmp_path: Path, compressor: str, num_cases: int) -> None:
    folder = write_series(tmp_path / "secret", voxels_hu=few_slices())
    path = sorted(folder.iterdir())[1]

    def check(values: dict[str, str | int]) -> None:
        dataset = dcmread(path)
        if compressor:
            compress_slice(dataset, compressor)
        for keyword, value in values.items():
            vr = dictionary_VR(keyword)
            packed = struct.pack("<H", int(value) & 0xFFFF) if vr == "US" else str(value)[:64].encode()
            dataset[keyword] = RawDataElement(Tag(keyword), vr, len(packed), packed, 0, False, True)
        changed = folder / "changed.dcm"
        dataset.save_as(changed)
        whole = path.rename(tmp_path / "whole")
        try:
            assert_handled(folder)
        finally:
            whole.rename(path)
            changed.unlink()

    numbers = st.integers(0, 65535) | st.sampled_from([0, 1, 8, 12, 16, 32, 0x7FFF])
    texts = st.sampled_from(
        ["1", "0", "-1", "1e300", "nan", "inf", "1\\2", "0\\0\\0", "1\\0\\0\\0\\0\\1", ""]
    )
    each = {
        keyword: numbers if dictionary_VR(keyword) == "US" else texts | st.text(max_size=9)
        for keyword in ELEMENTS
    }
    try_many(num_cases, st.fixed_dictionaries({}, optional=each), check)


@some_or_many
def test_changed_zip(tmp_path: Path, num_cases: int) -> None:
    folder = write_series(tmp_path / "secret", voxels_hu=few_slices())
    path = zip_folder(folder, tmp_path / "secret.zip")
    whole = path.read_bytes()

    def check(changes: list[Edit]) -> None:
        path.write_bytes(apply(whole, changes))
        assert_handled(path)

    try_many(num_cases, edits, check)


names = st.text(max_size=30) | st.sampled_from(
    [
        *("../secret.mhd", "/secret.mhd", "a\\..\\secret.mhd", "C:secret.raw", "secret\n.mhd"),
        *("secret.mhd\0.txt", "a//secret.mhd", "./secret.mhd", "secret.mhd/", "secret" * 2000),
        *(".", "..", "", "a/", "secret.zip", ".secret", "__MACOSX/secret"),
    ]
)
entries = st.lists(
    st.tuples(names, st.integers(0, 0xFFFFFFFF), st.sampled_from([0, 8, 12, 14]), st.binary(max_size=40)),
    max_size=8,
)


@some_or_many
def test_zip_of_hostile_entries(tmp_path: Path, num_cases: int) -> None:
    path = tmp_path / "secret.zip"

    def check(made: list[tuple[str, int, int, bytes]]) -> None:
        path.write_bytes(make_zip(made))
        assert_handled(path)

    try_many(num_cases, entries, check)


def make_zip(made: list[tuple[str, int, int, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, attributes, method, data in made:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr, info.compress_type = name, attributes, method
            archive.NameToInfo.clear()  # or it would warn of a name that is there twice
            archive.writestr(info, data)
    return packed.getvalue()
