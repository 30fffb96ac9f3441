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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TextIO

import numpy as np

from luna16.array_file import ArrayFile, Checksums, StoredRows
from luna16.whole_files import write_whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexEntry:
    """The rows of one scan and their checksums; one that was set aside has a reason, and nothing in them."""

    series_uid: str = field(repr=False)
    num_rows: int
    checksums: Checksums = field(default=(), repr=False)
    set_aside: str = ""


class CacheFolder:
    """The folder of the array of one key, in a cache that the caller holds with ``hold_cache``."""

    def __init__(self, cache_dir: Path, key: str, row_shape: tuple[int, ...]) -> None:
        self.path = cache_dir / f"patches-{key}"
        self._row_shape = row_shape

    def read_index(self) -> tuple[IndexEntry, ...] | None:
        """Give what the array holds, scan by scan in the order of its rows; None if it is not complete."""
        entries = self._parse_index()
        array = self.array(entries)
        try:
            return entries if entries and array.path.stat().st_size == array.num_bytes else None
        except OSError:
            return None

    def array(self, entries: Iterable[IndexEntry]) -> ArrayFile:
        """Give the array of these entries."""
        num_rows = sum(entry.num_rows for entry in entries)
        return ArrayFile(self.path / "patches.int16", (num_rows, *self._row_shape))

    def rows(self, entries: Sequence[IndexEntry]) -> StoredRows:
        """Give the rows of all entries that were not set aside."""
        is_used = np.repeat([not entry.set_aside for entry in entries], [e.num_rows for e in entries])
        checksums = np.array([number for entry in entries for number in entry.checksums], np.uint32)
        return StoredRows(self.array(entries), np.flatnonzero(is_used), checksums)

    def begin(self, array: ArrayFile) -> dict[int, Checksums]:
        """Make room for the array, or take up where another process ended: its parts by first row.

        What other settings or older data left in the cache is removed. The checksums of the parts are those
        that were written down; whether the disk still has those rows is for the caller to see. An array that
        was complete is not until it is completed again.

        Raises OSError, with one line, if the disk has not enough room.
        """
        self._reopen()
        if done := self._read_parts():
            _reserve(array)
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
            _reserve(array)
        except OSError:
            _remove(self.path)
            raise
        return {}

    def note_part(self, first_row: int, checksums: Checksums) -> None:
        """Write down that a part is written, so that it is not built again."""
        with self._parts_path.open("a") as parts:
            parts.write(_describe_part(first_row, checksums))

    def complete(self, array: ArrayFile, entries: Sequence[IndexEntry]) -> None:
        """Let the array be read from now on."""
        _flush(array.path)
        write_whole(self._index_path, json.dumps([asdict(entry) for entry in entries]))
        self._parts_path.unlink(missing_ok=True)

    @property
    def _index_path(self) -> Path:
        return self.path / "index.json"

    @property
    def _parts_path(self) -> Path:
        return self.path / "parts.jsonl"

    def _parse_index(self) -> tuple[IndexEntry, ...]:
        """Read the index; nothing if there is none, or it is damaged."""
        try:
            table = json.loads(self._index_path.read_text())
            return tuple(IndexEntry(**{**row, "checksums": tuple(row["checksums"])}) for row in table)
        except (OSError, ValueError, TypeError, KeyError):
            return ()

    def _reopen(self) -> None:
        """Turn the index of an array that was complete into parts that are to be looked at again."""
        entries = self._parse_index()
        first_rows = accumulate((entry.num_rows for entry in entries), initial=0)
        parts = [
            _describe_part(row, entry.checksums) for row, entry in zip(first_rows, entries, strict=False)
        ]
        if parts:
            write_whole(self._parts_path, "".join(parts))
            self._index_path.unlink()

    def _read_parts(self) -> dict[int, Checksums]:
        try:
            lines = self._parts_path.read_text().splitlines()
        except OSError:
            return {}
        return dict(part for line in lines if (part := _parse_part(line)))


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


def _describe_part(first_row: int, checksums: Checksums) -> str:
    return f"\n{json.dumps([first_row, checksums])}"  # begins anew after a line cut short


def _parse_part(line: str) -> tuple[int, Checksums] | None:
    """Read one line of parts.jsonl; None if the process was killed while it wrote it."""
    try:
        first_row, checksums = json.loads(line)
        return first_row, tuple(checksums)
    except (ValueError, TypeError):
        return None


def _reserve(array: ArrayFile) -> None:
    try:
        array.reserve()
    except OSError as error:
        raise OSError(explain_write_error(array, error)) from error


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
