"""An array is read only when complete, goes on where its building ended, and gives way to another key."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from luna16.array_file import ArrayFile, DamagedRowsError, StoredRows
from luna16.cache import CacheFolder, IndexEntry, hold_cache, make_key, show_bytes
from tests.small_disk import no_file_above

ROWS = np.arange(12, dtype=np.int16).reshape(6, 2)
PLANNED = [IndexEntry("2.25.1", 3), IndexEntry("2.25.2", 1), IndexEntry("2.25.3", 2)]
FIRST_ROWS = [0, 3, 4]


def open_folder(cache_dir: Path, key: str = "key") -> CacheFolder:
    return CacheFolder(cache_dir, key, (2,))


def write_part(folder: CacheFolder, array: ArrayFile, part: int) -> IndexEntry:
    first_row, entry = FIRST_ROWS[part], PLANNED[part]
    checksums = array.write_rows(first_row, ROWS[first_row : first_row + entry.num_rows])
    folder.note_part(first_row, checksums)
    return replace(entry, checksums=checksums)


def build(folder: CacheFolder) -> None:
    array = folder.array(PLANNED)
    folder.begin(array)
    folder.complete(array, [write_part(folder, array, part) for part in range(3)])


def read(folder: CacheFolder) -> StoredRows:
    entries = folder.read_index()
    assert entries
    return folder.rows(entries)


def test_complete_array_gives_the_rows_that_are_asked_for(tmp_path: Path) -> None:
    build(open_folder(tmp_path))
    rows = read(open_folder(tmp_path))
    assert (len(rows), rows.shape, rows.nbytes) == (6, (6, 2), ROWS.nbytes)
    some = np.array([4, 0, 4])
    for wanted in (3, slice(None), slice(1, 3), some, some.reshape(3, 1), ROWS[:, 0] > 3, some[:0]):
        np.testing.assert_array_equal(rows[wanted], ROWS[wanted])
        np.testing.assert_array_equal(rows.part(1, 5)[:], ROWS[1:5])


def change_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [change_a_bit, lambda path: os.truncate(path, 22), Path.unlink])
def test_row_that_the_disk_has_lost_or_changed_is_told_and_no_other(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    build(open_folder(tmp_path))
    rows = read(open_folder(tmp_path))
    damage(tmp_path / "patches-key" / "patches.int16")
    with pytest.raises(DamagedRowsError, match=rf"^Patches in {tmp_path}/patches-key.*\. Without"):
        rows[np.array([0, 5])]
    if (tmp_path / "patches-key" / "patches.int16").exists():
        np.testing.assert_array_equal(rows[:5], ROWS[:5])


@pytest.mark.parametrize("damage", [change_a_bit, lambda path: os.truncate(path, 22)])
def test_of_a_complete_array_only_what_is_damaged_is_built_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    build(open_folder(tmp_path))
    damage(tmp_path / "patches-key" / "patches.int16")
    folder = open_folder(tmp_path)
    array = folder.array(PLANNED)
    done = folder.begin(array)
    assert folder.read_index() is None
    assert [array.holds(row, checksums) for row, checksums in done.items()] == [True, True, False]
    np.testing.assert_array_equal(array.read_rows(np.arange(5)), ROWS[:5])


def test_array_that_is_not_complete_is_not_read(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    array = folder.array(PLANNED)
    folder.begin(array)
    for part in range(3):
        write_part(folder, array, part)
    assert folder.read_index() is None


@pytest.mark.parametrize("name", ["patches.int16", "index.json"])
def test_complete_array_that_was_cut_short_is_not_read(tmp_path: Path, name: str) -> None:
    build(open_folder(tmp_path))
    path = tmp_path / "patches-key" / name
    os.truncate(path, path.stat().st_size - 1)
    assert open_folder(tmp_path).read_index() is None


def test_building_goes_on_with_the_parts_that_are_there(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    array = folder.array(PLANNED)
    assert folder.begin(array) == {}
    written = {FIRST_ROWS[part]: write_part(folder, array, part).checksums for part in (0, 2)}
    done = open_folder(tmp_path).begin(array)
    assert done == written
    assert all(array.holds(*part) for part in done.items())


def test_rows_that_never_reached_the_disk_are_told_by_their_checksums(tmp_path: Path) -> None:
    array = ArrayFile(tmp_path / "rows", (6, 2))
    array.reserve()
    checksums = array.write_rows(0, ROWS)
    array.write_rows(3, np.zeros((1, 2), np.int16))
    assert not array.holds(0, checksums)
    assert array.holds(0, checksums[:3])


def test_line_that_was_cut_short_by_a_kill_costs_only_its_part(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    array = folder.array(PLANNED)
    folder.begin(array)
    write_part(folder, array, 0)
    write_part(folder, array, 1)
    parts = tmp_path / "patches-key" / "parts.jsonl"
    os.truncate(parts, parts.stat().st_size - 2)
    write_part(folder, array, 2)
    assert list(open_folder(tmp_path).begin(array)) == [0, 4]


def test_scan_that_was_set_aside_has_no_row(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    array = folder.array(PLANNED)
    folder.begin(array)
    others = [write_part(folder, array, part) for part in (1, 2)]
    folder.complete(array, [replace(PLANNED[0], set_aside="It is damaged."), *others])
    np.testing.assert_array_equal(read(folder)[:], ROWS[3:])


def test_array_of_a_new_key_replaces_the_old_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "patches-0123.npy").touch()
    build(open_folder(tmp_path, "old"))
    build(open_folder(tmp_path, "new"))
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "patches-new"}


def test_array_without_rows_can_be_read(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    array = folder.array([IndexEntry("2.25.1", 0)])
    folder.begin(array)
    folder.complete(array, [IndexEntry("2.25.1", 0)])
    assert read(folder)[:].shape == (0, 2)


class Usage(NamedTuple):
    free: int


def test_disk_without_room_is_refused_before_anything_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(open_folder(tmp_path, "old"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=20_000))
    big = CacheFolder(tmp_path, "new", (1000, 1000))
    with pytest.raises(
        OSError, match=r"^The patches take 12 MB, but the disk of .* has only \d+ kB left\. Make"
    ):
        big.begin(big.array(PLANNED))
    assert len(read(open_folder(tmp_path, "old"))) == 6


def test_file_system_that_takes_no_such_file_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    big = CacheFolder(tmp_path, "key", (1000, 1000))
    told = r"^The patches \(12 MB\) cannot be written into .*: File too large\. "
    with no_file_above(1_000_000), pytest.raises(OSError, match=told):
        big.begin(big.array(PLANNED))
    assert list(tmp_path.iterdir()) == []


def hold_and_note(cache_dir: Path, notes: Path) -> None:
    with hold_cache(cache_dir), notes.open("a") as file:
        file.write("begin ")
        file.flush()
        multiprocessing.get_context("spawn").Event().wait(0.2)
        file.write("end ")


def test_one_process_at_a_time_holds_the_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    notes = tmp_path / "notes.txt"
    processes = [context.Process(target=hold_and_note, args=(tmp_path / "cache", notes)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert notes.read_text() == "begin end " * 3


def test_waiting_for_another_process_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=hold_and_note, args=(tmp_path, tmp_path / "notes.txt"))
    other.start()
    while not (tmp_path / "notes.txt").exists():
        pass
    with hold_cache(tmp_path):
        assert "begin end" in (tmp_path / "notes.txt").read_text()
    other.join()
    assert caplog.messages == [f"Another process prepares patches in {tmp_path}; waiting for it to end."]


def test_key_tells_of_every_change(tmp_path: Path) -> None:
    file, table = tmp_path / "scan.raw", tmp_path / "table.csv"
    file.write_bytes(b"1234")
    table.write_text("a,b")
    keys = {make_key("settings", [file], [table])}
    keys |= {make_key("other settings", [file], [table]), make_key("settings", [], [table])}
    os.utime(file, ns=(0, 0))
    keys.add(make_key("settings", [file], [table]))
    file.write_bytes(b"12345")
    os.utime(file, ns=(0, 0))
    keys.add(make_key("settings", [file], [table]))
    table.write_text("a,c")
    keys.add(make_key("settings", [file], [table]))
    assert len(keys) == 6


def test_table_that_was_only_touched_keeps_its_key(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b")
    key = make_key("settings", [], [table])
    os.utime(table, ns=(0, 0))
    assert make_key("settings", [], [table]) == key


def test_link_that_leads_nowhere_does_not_break_the_key(tmp_path: Path) -> None:
    link = tmp_path / "scan.raw"
    link.symlink_to(tmp_path / "gone.raw")
    assert make_key("", [link], []) != make_key("", [], [])


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(1, "1 kB"), (2_500_000, "2.5 MB"), (23_000_000, "23 MB"), (49_480_000_000, "49 GB")],
)
def test_size_is_shown_as_people_read_it(num_bytes: int, text: str) -> None:
    assert show_bytes(num_bytes) == text


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match=r"^No patches can be written into .*/file/cache \(Not a directory\)\. "),
        hold_cache(tmp_path / "file" / "cache"),
    ):
        pass
