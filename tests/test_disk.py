import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from fl_core.disk import explain_disk, find_write_fault, look_at_disk
from fl_core.findings import Level
from tests.small_disk import no_file_above


@pytest.mark.parametrize(
    ("free_gb", "level"),
    [(0.5, Level.FAULT), (2, Level.WARNING), (50, Level.OK)],
    ids=["none", "little", "much"],
)
def test_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free_gb * 1e9))
    finding = look_at_disk(tmp_path / "not" / "there" / "yet", needed_gb=1, wished_gb=5)
    assert finding.level is level
    assert str(tmp_path) in finding.text


def test_disk_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = look_at_disk(Path("/proc"), needed_gb=1, wished_gb=5)  # as root, no other folder refuses
    assert finding.level is Level.FAULT
    assert finding.text.startswith("/proc cannot be written to:")


def test_folder_without_room_is_told_with_what_to_do_and_nothing_stays_there(tmp_path: Path) -> None:
    with no_file_above(1000):
        fault = find_write_fault(tmp_path)
    why = "Make room on its disk, or let this user write there."
    assert fault == f"Cannot write to {tmp_path}: File too large. {why}"
    assert find_write_fault(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_error_that_is_not_of_the_disk_is_not_explained_by_it(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert (explain_disk(full, tmp_path) or "").startswith(
        f"Cannot write to {tmp_path}: No space left on device."
    )
    for error in (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), OSError("Some word")):
        assert explain_disk(error, tmp_path) is None
