import json

import pytest

from fl_monitor.scan_limits import ScanLimits
from fl_monitor.scan_plan import Plan, ScanRefusedError, SentFile, fingerprint_of, make_plan, read_wish
from tests.attacked_monitor import HOSTILE

LIMITS = ScanLimits(num_files=3, upload_bytes=1000)


def plan(*names: str, num_bytes: int = 10) -> Plan:
    return make_plan([SentFile(name=name, num_bytes=num_bytes) for name in names], LIMITS)


def refusal_of(*names: str, num_bytes: int = 10) -> tuple[int, str]:
    with pytest.raises(ScanRefusedError) as refused:
        plan(*names, num_bytes=num_bytes)
    return refused.value.status, str(refused.value)


@pytest.mark.parametrize("ending", [".zip", ".nii", ".nii.gz", ".nrrd", ".mha", ".dcm"])
def test_scan_in_one_file_lies_under_a_name_of_ours(ending: str) -> None:
    found = plan(f"Jane Doe{ending.upper()}")
    assert (found.ending, found.entry) == (ending, f"scan{ending}")
    assert [file.name for file in found.files] == [f"scan{ending}"]


def test_header_and_voxels_keep_the_names_by_which_they_know_each_other() -> None:
    found = plan("a/CT 1.RAW", "a/CT 1.mhd")
    assert (found.ending, found.entry) == (".mhd", "CT 1.mhd")
    assert [file.name for file in found.files] == ["CT 1.RAW", "CT 1.mhd"]


def test_several_other_files_are_dicom_in_a_folder() -> None:
    found = plan("Doe^Jane/IM1", "Doe^Jane/IM2")
    assert (found.ending, found.entry, found.num_bytes) == ("DICOM", "", 20)
    assert [file.name for file in found.files] == ["00001.dcm", "00002.dcm"]


@pytest.mark.parametrize(
    ("names", "status", "words"),
    [
        ((), 400, "Choose 1 to 3 files."),
        (("a", "b", "c", "d"), 400, "Choose 1 to 3 files."),
        (("a.png",), 415, "Choose one file of .nii.gz"),
        (("a.mhd",), 415, "an .mhd file with its .raw or .zraw"),
        (
            ("a.mhd", "b.mhd"),
            415,
            "Choose the .mhd file and the one with its voxels (.raw, .zraw), and no other.",
        ),
        (("a.mhd", "b.raw", "c.raw"), 415, "and no other."),
        (("x/a.mhd", "x/a.raw/"), 415, "and no other."),
        (("..", "a.mhd"), 415, "not plain"),
        ((".raw", "a.mhd"), 415, "not plain"),
        (("a\nb.raw", "a.mhd"), 415, "not plain"),
        (("a\x00.raw", "a.mhd"), 415, "not plain"),
        (("a" * 300 + ".raw", "a.mhd"), 415, "not plain"),
    ],
)
def test_files_that_are_no_scan_are_refused_in_a_sentence(
    names: tuple[str, ...], status: int, words: str
) -> None:
    found = refusal_of(*names)
    assert found[0] == status
    assert words in found[1]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_of_scans_are_not_kept(name: str) -> None:
    found = [*plan(f"{name[:900]}.nii").files, *plan(name[:900] + "1", name[:900] + "2").files]
    assert [file.name for file in found] == ["scan.nii", "00001.dcm", "00002.dcm"]


def test_path_before_a_name_is_cut_off() -> None:
    assert plan("../../etc/a.mhd", "C:\\scans\\a.raw").entry == "a.mhd"


def test_empty_and_large_files_are_refused() -> None:
    assert refusal_of("a.nii", num_bytes=0)[1] == "One of the files is empty. Copy it again, or leave it out."
    assert refusal_of("a.nii", num_bytes=1001)[0] == 413


def test_same_files_are_known_again_and_others_are_not() -> None:
    one, same, later = (SentFile(name="a", num_bytes=1, modified_ms=at) for at in (5, 5, 6))
    assert fingerprint_of([one]) == fingerprint_of([same]) != fingerprint_of([later])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"files": [{"name": "a.nii"}]}',
        b'{"files": [{"name": "a.nii", "num_bytes": -1}]}',
        b'{"files": [{"name": "a.nii", "num_bytes": 1.5}]}',
        b'{"files": [{"name": "a.nii", "num_bytes": "1"}]}',
        b'{"files": [{"name": "a.nii", "num_bytes": 1e30}]}',
        json.dumps({"files": [{"name": "a" * 10_000 + ".nii", "num_bytes": 1}]}).encode(),
        b'{"files": [{"name": "\\ud800.nii", "num_bytes": 1}]}',
        b"[" * 100_000,
    ],
)
def test_list_that_our_page_does_not_send_is_refused(body: bytes) -> None:
    with pytest.raises(ScanRefusedError, match="The list of files is not understood"):
        read_wish(body)
