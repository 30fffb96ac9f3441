from pathlib import Path

import pytest

from fl_core.errors import DiskError, UsageError
from fl_server.home_lock import hold_home, is_home_held
from tests.small_disk import SmallDisk, no_file_above


def test_second_coordinator_on_one_home_is_refused(tmp_path: Path) -> None:
    with hold_home(tmp_path / "home"):
        with pytest.raises(
            UsageError, match=r"Another fl-server conducts a run with the folder .*home\. Wait"
        ):
            hold_home(tmp_path / "home").__enter__()
        with hold_home(tmp_path / "elsewhere"):
            pass
    with hold_home(tmp_path / "home"):
        pass


def test_home_is_held_while_a_coordinator_is_there(tmp_path: Path) -> None:
    assert not is_home_held(tmp_path / "home")
    with hold_home(tmp_path / "home"):
        assert is_home_held(tmp_path / "home")
    assert not is_home_held(tmp_path / "home")


def test_home_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"Cannot write to /proc/home: .*"):
        hold_home(Path("/proc/home")).__enter__()


def test_disk_without_room_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with (
        no_file_above(1000),
        pytest.raises(DiskError, match=r"^Cannot write to .*: File too large\. Make room"),
    ):
        hold_home(tmp_path).__enter__()
    with hold_home(tmp_path):
        pass


def test_disk_that_cannot_be_written_to_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with SmallDisk.mounted(tmp_path / "home", megabytes=1) as disk:
        disk.fill()
        with pytest.raises(DiskError, match=r"^Cannot write to .*/home: No space left on device\. Make room"):
            hold_home(disk.folder).__enter__()
        disk.make_room()
        disk.set_read_only(is_on=True)
        with pytest.raises(UsageError, match=r"^Cannot write to .*/home: Read-only file system\. Set FED"):
            hold_home(disk.folder).__enter__()
