from datetime import timedelta
from pathlib import Path

import pytest

from fl_monitor.scan_folder import ScanFolder, Upload
from fl_monitor.scan_plan import Plan, PlannedFile
from fl_store.rows import UploadRow
from fl_store.words import UploadState
from tests.attacked_monitor import HOSTILE
from tests.sent_scans import NOON

ID = "a" * 32
THREE = Plan("DICOM", "", (PlannedFile("1.dcm", 4), PlannedFile("2.dcm", 3), PlannedFile("3.dcm", 5)))


@pytest.fixture
def folder(tmp_path: Path) -> ScanFolder:
    made = ScanFolder(tmp_path / "scans")
    with made.locked():
        made.create(make_upload())
    return made


def make_upload(upload_id: str = ID, plan: Plan = THREE) -> Upload:
    row = UploadRow(upload_id, "anna", "scan 1, DICOM", plan.num_bytes, 0, UploadState.UPLOADING, NOON, NOON)
    return Upload(row, plan, "f", "run-1/best")


def test_upload_is_read_as_it_was_written(folder: ScanFolder) -> None:
    assert folder.read(ID) == make_upload()
    assert folder.list_uploads() == [make_upload()]


def test_folders_are_for_the_monitor_alone(folder: ScanFolder) -> None:
    for path in (folder.root, folder.path_of(ID), folder.path_of(ID) / "scan"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_stream_is_divided_into_its_files_however_it_comes(folder: ScanFolder, size: int) -> None:
    stream = b"aaaabbbccccc"
    for offset in range(0, len(stream), size):
        assert folder.num_received(make_upload()) == offset
        folder.append(make_upload(), stream[offset : offset + size], offset)
    found = [(folder.path_of(ID) / "scan" / file.name).read_bytes() for file in THREE.files]
    assert found == [b"aaaa", b"bbb", b"ccccc"]
    assert folder.num_received(make_upload()) == 12


@pytest.mark.parametrize("name", [*HOSTILE.values(), "", ".", "..", "A" * 32, f"{ID}/../{ID}", f"{ID}\n"])
def test_id_that_is_none_of_ours_is_nothing(folder: ScanFolder, name: str) -> None:
    assert folder.read(name) is None


def test_folder_without_its_file_is_a_stray(folder: ScanFolder) -> None:
    (folder.path_of(ID) / "upload.json").write_text("{half")
    assert folder.read(ID) is None
    assert folder.list_strays() == [folder.path_of(ID)]


def test_space_counts_what_is_still_to_come(folder: ScanFolder) -> None:
    before = folder.used_bytes()
    folder.append(make_upload(), b"aaaabb", 0)
    assert folder.used_bytes() == before
    folder.remove(ID)
    assert folder.used_bytes() == 0


def test_looking_prolongs_what_an_upload_was_last_used_at(folder: ScanFolder) -> None:
    assert folder.used_at(make_upload()) == NOON
    folder.look_at(make_upload(), NOON + timedelta(hours=3))
    assert folder.used_at(make_upload()) == NOON + timedelta(hours=3)
