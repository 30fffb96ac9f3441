"""An int16 array on disk that is built part by part, goes on after a crash, and is read only when complete.

It lies in ``patches-<key>``, a folder with three files: patches.int16 has the numbers, parts.jsonl tells
which parts of them are written, and index.json, written last, what the whole holds; without it nothing is
read.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]

NUMBER = np.dtype("<i2")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexEntry:
    """The rows of one scan; a scan that was set aside has none, and the reason why."""

    series_uid: str = field(repr=False)
    num_rows: int
    set_aside: str = ""


@dataclass(frozen=True)
class ArrayFile:
    """An array of ``shape`` in a file, which several processes may fill, each with rows of its own."""

    path: Path
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """The bytes of one row."""
        return prod(self.shape[1:]) * NUMBER.itemsize

    @property
    def num_bytes(self) -> int:
        """The bytes of all rows."""
        return self.shape[0] * self.row_bytes

    def reserve(self) -> None:
        """Make the file with room on the disk for all rows; OSError if there is not enough."""
        with self.path.open("wb") as file:
            if sys.platform == "linux" and self.num_bytes:
                os.posix_fallocate(file.fileno(), 0, self.num_bytes)
            file.truncate(self.num_bytes)

    def write_rows(self, first_row: int, rows: Int16Array) -> int:
        """Write rows and give their checksum; OSError if the disk is full."""
        content = np.ascontiguousarray(rows, NUMBER).tobytes()
        with self.path.open("r+b") as file:
            file.seek(first_row * self.row_bytes)
            file.write(content)
        return zlib.crc32(content)

    def checksum(self, first_row: int, num_rows: int) -> int:
        """Read rows and give their checksum."""
        with self.path.open("rb") as file:
            file.seek(first_row * self.row_bytes)
            return zlib.crc32(file.read(num_rows * self.row_bytes))

    def move_rows(self, first_row: int, num_rows: int, to_row: int) -> None:
        """Copy rows to an earlier place in the file."""
        with self.path.open("r+b") as file:
            file.seek(first_row * self.row_bytes)
            content = file.read(num_rows * self.row_bytes)
            file.seek(to_row * self.row_bytes)
            file.write(content)

    def map(self) -> Int16Array:
        """Map the array from disk, read-only."""
        if not self.num_bytes:
            return np.empty(self.shape, NUMBER)
        return np.memmap(self.path, NUMBER, mode="r", shape=self.shape)


class CacheFolder:
    """The folder of the array of one key, in a cache that the caller holds with ``hold_cache``."""

    def __init__(self, cache_dir: Path, key: str, row_shape: tuple[int, ...]) -> None:
        self.path = cache_dir / f"patches-{key}"
        self._row_shape = row_shape

    def read_index(self) -> tuple[IndexEntry, ...] | None:
        """Give what the array holds, scan by scan in the order of its rows; None if it is not complete."""
        try:
            entries = tuple(IndexEntry(**entry) for entry in json.loads(self._index_path.read_text()))
            is_whole = self.array(entries).path.stat().st_size == self.array(entries).num_bytes
        except (OSError, ValueError, TypeError):
            return None
        return entries if is_whole else None

    def array(self, entries: Iterable[IndexEntry]) -> ArrayFile:
        """Give the array of these entries."""
        num_rows = sum(entry.num_rows for entry in entries)
        return ArrayFile(self.path / "patches.int16", (num_rows, *self._row_shape))

    def begin(self, array: ArrayFile) -> dict[int, int]:
        """Make room for the array, or take up where another process ended: its parts by first row.

        What other settings or older data left in the cache is removed. The checksums of the parts are those
        that were written down; whether the disk still has those rows is for the caller to see.

        Raises OSError, with one line, if the disk has not enough room.
        """
        if done := self._read_parts(array):
            return done
        others = [path for path in self.path.parent.glob("patches-*") if path != self.path]
        free = shutil.disk_usage(self.path.parent).free + sum(map(_count_bytes, [*others, self.path]))
        if free < array.num_bytes:
            raise OSError(
                f"The patches take {show_bytes(array.num_bytes)}, but the disk of {self.path.parent} has "
                f"only {show_bytes(free)} left. Make room, or lower max_negatives_per_scan."
            )
        for path in [*others, self.path]:
            _remove(path)
        self.path.mkdir()
        try:
            array.reserve()
        except OSError as error:
            _remove(self.path)
            raise OSError(explain_write_error(array, error)) from error
        return {}

    def note_part(self, first_row: int, checksum: int) -> None:
        """Write down that a part is written, so that it is not built again."""
        with self._parts_path.open("a") as parts:
            parts.write(f"\n{json.dumps([first_row, checksum])}")  # begins anew after a line cut short

    def complete(self, array: ArrayFile, entries: list[IndexEntry], first_rows: list[int]) -> None:
        """Close the gaps of scans that were set aside, and let the array be read from now on."""
        self._parts_path.unlink(missing_ok=True)  # while rows move there is nothing to go on from
        row = 0
        for entry, first_row in zip(entries, first_rows, strict=True):
            if first_row != row:
                array.move_rows(first_row, entry.num_rows, row)
            row += entry.num_rows
        os.truncate(array.path, row * array.row_bytes)
        _flush(array.path)
        partial = self._index_path.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(entry) for entry in entries]))
        _flush(partial)
        partial.replace(self._index_path)

    @property
    def _index_path(self) -> Path:
        return self.path / "index.json"

    @property
    def _parts_path(self) -> Path:
        return self.path / "parts.jsonl"

    def _read_parts(self, array: ArrayFile) -> dict[int, int]:
        try:
            lines = self._parts_path.read_text().splitlines()
            is_reserved = array.path.stat().st_size == array.num_bytes
        except OSError:
            return {}
        return dict(part for line in lines if (part := _parse_part(line))) if is_reserved else {}


@contextlib.contextmanager
def hold_cache(cache_dir: Path) -> Iterator[None]:
    """Make the folder of a cache and hold it, once no other process does."""
    with _open_lock(cache_dir) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("Another process prepares patches in %s; waiting for it to end.", cache_dir)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open_lock(cache_dir: Path) -> TextIO:
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        return (cache_dir / "lock").open("a")
    except OSError as error:
        raise OSError(
            f"No patches can be written into {cache_dir} ({error.strerror}). Check its rights."
        ) from error


def make_key(settings: str, files: Iterable[Path], tables: Iterable[Path]) -> str:
    """Give a short hash of the settings, of each file's folder, name, size and time, and of the tables' text.

    A file or table that is changed, added or removed, and another setting, give another key.
    """
    stats = [(file.parent.name, file.name, *_measure(file)) for file in files]
    texts = [(table.name, _hash_text(table)) for table in tables]
    return hashlib.sha256(json.dumps([settings, stats, texts]).encode()).hexdigest()[:16]


def explain_write_error(array: ArrayFile, error: OSError) -> str:
    """Say in one line that the patches could not be written, why, and what to do."""
    return (
        f"The patches ({show_bytes(array.num_bytes)}) cannot be written into {array.path.parent.parent}: "
        f"{error.strerror}. Make room and start again; it goes on where it ended."
    )


def show_bytes(num_bytes: int) -> str:
    """Give a size as people read it: 1.9 GB, 23 MB, 4 kB."""
    for unit, unit_bytes in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= unit_bytes:
            return f"{num_bytes / unit_bytes:.{1 if num_bytes < 10 * unit_bytes else 0}f} {unit}"
    return f"{-(-num_bytes // 1000)} kB"


def _measure(file: Path) -> tuple[int, int, bool]:
    """Give size, time of change, and whether it can be read: a scan that could not be may be so now."""
    try:
        stat = file.stat()
    except OSError:  # a link that leads nowhere
        return 0, 0, False
    return stat.st_size, stat.st_mtime_ns, os.access(file, os.R_OK)


def _hash_text(table: Path) -> str:
    with table.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse_part(line: str) -> tuple[int, int] | None:
    """Read one line of parts.jsonl; None if the process was killed while it wrote it."""
    try:
        first_row, checksum = json.loads(line)
    except (ValueError, TypeError):
        return None
    return first_row, checksum


def _count_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
