"""A file is the old one or the new one, whatever happens while it is written."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from luna16.whole_files import remove_partials, write_whole, written_whole
from tests.small_disk import no_file_above

ROOT = Path(__file__).parent.parent


def test_written_file_is_there_alone(tmp_path: Path) -> None:
    for content in (b"old", "new"):
        write_whole(tmp_path / "file", content)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "new")]


def test_file_for_its_owner_alone_was_never_open_to_others(tmp_path: Path) -> None:
    (tmp_path / "key.partial").touch(mode=0o644)
    write_whole(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_disk_that_is_full_leaves_the_file_of_before(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    with no_file_above(10), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "file", bytes(20))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def write_both(*paths: Path) -> None:
    with written_whole(*paths) as partials:
        partials[0].write_text("new")
        partials[1].write_bytes(bytes(20))


def test_of_two_files_that_belong_together_none_is_new_if_one_cannot_be_written(tmp_path: Path) -> None:
    paths = tmp_path / "model", tmp_path / "about"
    for path in paths:
        path.write_text("old")
    with no_file_above(10), pytest.raises(OSError, match="File too large"):
        write_both(*paths)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"model": "old", "about": "old"}


def test_file_that_is_replaced_is_kept_if_asked_for(tmp_path: Path) -> None:
    path, before = tmp_path / "file", tmp_path / "before"
    for number in (1, 2, 3):
        with written_whole(path, replaced=before) as (partial,):
            partial.write_text(f"{number}")
    assert (path.read_text(), before.read_text()) == ("3", "2")


def test_kill_in_the_middle_leaves_the_file_of_before_and_a_rest_to_be_removed(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    code = (
        "import os, sys; from pathlib import Path; from luna16.whole_files import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as (partial,):\n"
        "    partial.write_text('ne'); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert {path.name for path in tmp_path.iterdir()} == {"file", "file.partial"}
    remove_partials(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]
