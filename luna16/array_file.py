"""An int16 array in a file that several processes may fill, and whose rows are read on demand.

Each row is held against its checksum whenever it is read.
"""

import os
import sys
import zlib
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]
IndexArray = npt.NDArray[np.int64]
Checksums = tuple[int, ...]
"""One for each row."""

NUMBER = np.dtype("<i2")


class DamagedRowsError(OSError):
    """Rows that were written cannot be read, or are not as they were written; the text is one line."""


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
        """Make the file with room on the disk for all rows, or give it what it has lost; OSError if full."""
        with self.path.open("ab") as file:
            if sys.platform == "linux" and self.num_bytes:
                os.posix_fallocate(file.fileno(), 0, self.num_bytes)
            file.truncate(self.num_bytes)

    def write_rows(self, first_row: int, rows: Int16Array) -> Checksums:
        """Write rows and give their checksums; OSError if the disk is full."""
        content = np.ascontiguousarray(rows, NUMBER)
        with self.path.open("r+b") as file:
            file.seek(first_row * self.row_bytes)
            file.write(content.tobytes())
        return _sum_up(content)

    def read_rows(self, numbers: IndexArray) -> Int16Array:
        """Read rows; what lies beyond the end of the file is 0. OSError if they cannot be read."""
        rows = np.zeros((len(numbers), *self.shape[1:]), NUMBER)
        with self.path.open("rb", buffering=0) as file:
            for row, number in zip(rows, numbers.tolist(), strict=True):
                os.preadv(file.fileno(), [row.data.cast("B")], number * self.row_bytes)
        return rows

    def holds(self, first_row: int, checksums: Checksums) -> bool:
        """Tell whether the rows from ``first_row`` on can be read and are those that were written."""
        try:
            rows = self.read_rows(np.arange(first_row, first_row + len(checksums)))
        except OSError:
            return False
        return _sum_up(rows) == checksums


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Some rows of an array on disk, read only when they are asked for."""

    array: ArrayFile
    numbers: IndexArray = field(repr=False)
    checksums: npt.NDArray[np.uint32] = field(repr=False)

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all of them."""
        return len(self), *self.array.shape[1:]

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return len(self) * self.array.row_bytes

    def __getitem__(self, rows: IndexArray | slice | int) -> Int16Array:
        """Read rows; DamagedRowsError if the disk has lost or changed one of them."""
        numbers = self.numbers[rows]
        folder, what_to_do = self.array.path.parent, "Without that folder they are cut anew."
        try:
            found = self.array.read_rows(np.ravel(numbers))
        except OSError as error:
            raise DamagedRowsError(f"Patches in {folder}: {error.strerror}. {what_to_do}") from error
        if _sum_up(found) != tuple(np.ravel(self.checksums[rows]).tolist()):
            raise DamagedRowsError(f"Patches in {folder} are not as they were written. {what_to_do}")
        return found.reshape(*np.shape(numbers), *self.array.shape[1:])

    def part(self, start: int, stop: int) -> "StoredRows":
        """Give the rows from ``start`` to before ``stop``."""
        return StoredRows(self.array, self.numbers[start:stop], self.checksums[start:stop])


def _sum_up(rows: Int16Array) -> Checksums:
    return tuple(zlib.crc32(row.data) for row in rows)
