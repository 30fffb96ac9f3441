"""An array is built once, appears only when complete, and gives way when its sources change."""

import os
from pathlib import Path

import numpy as np
import pytest

from luna16.cache import make_key, open_or_build


def fill_with(value: int):
    def build(array: np.ndarray) -> None:
        array[:] = value

    return build


def refuse(_: np.ndarray) -> None:
    raise AssertionError("built again")


def test_array_is_built_once_and_then_mapped(tmp_path: Path) -> None:
    open_or_build(tmp_path / "new", "key", (2, 3), fill_with(7))
    array = open_or_build(tmp_path / "new", "key", (2, 3), refuse)
    assert isinstance(array, np.memmap)
    assert array.tolist() == [[7] * 3] * 2


def test_mapped_array_cannot_be_changed(tmp_path: Path) -> None:
    array = open_or_build(tmp_path, "key", (2,), fill_with(7))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_array_of_a_new_key_replaces_the_old(tmp_path: Path) -> None:
    open_or_build(tmp_path, "old", (2,), fill_with(1))
    open_or_build(tmp_path, "new", (2,), fill_with(2))
    assert [path.name for path in tmp_path.iterdir()] == ["patches-new.npy"]


def test_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="built again"):
        open_or_build(tmp_path, "key", (2,), refuse)
    assert list(tmp_path.iterdir()) == []


def test_array_without_rows_can_be_mapped(tmp_path: Path) -> None:
    assert open_or_build(tmp_path, "key", (0, 8, 8, 8), fill_with(1)).shape == (0, 8, 8, 8)


def test_key_tells_of_every_change(tmp_path: Path) -> None:
    file = tmp_path / "scan.raw"
    file.write_bytes(b"1234")
    keys = {make_key("settings", [file]), make_key("other settings", [file]), make_key("settings", [])}
    os.utime(file, ns=(0, 0))
    keys.add(make_key("settings", [file]))
    file.write_bytes(b"12345")
    os.utime(file, ns=(0, 0))
    keys.add(make_key("settings", [file]))
    assert len(keys) == 5
    assert make_key("settings", [file]) in keys
