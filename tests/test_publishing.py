"""A result appears whole or not at all."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from luna16.detection.publishing import check_new, new_files, new_folder

New = Callable[[Path], AbstractContextManager[Path]]


def test_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_files_appear_together(tmp_path: Path) -> None:
    with new_files(tmp_path / "view.raw") as path:
        path.write_text("1")
        path.with_suffix(".json").write_text("2")
        assert not (tmp_path / "view.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["view.json", "view.raw"]


@pytest.mark.parametrize("new", [new_folder, new_files])
def test_full_disk_leaves_nothing(new: New, tmp_path: Path) -> None:
    def write() -> None:
        with new(tmp_path / "out"), Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"1")

    with pytest.raises(OSError, match="No space left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        check_new(tmp_path / "a")
    with pytest.raises(ValueError, match="there is no folder"):
        check_new(tmp_path / "none" / "a")
    check_new(tmp_path / "b")
