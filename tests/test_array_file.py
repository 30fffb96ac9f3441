import errno
from pathlib import Path

import numpy as np
import pytest

from luna16.array_file import ArrayFile

ROWS = np.arange(12, dtype=np.int16).reshape(6, 2)


@pytest.fixture
def array(tmp_path: Path) -> ArrayFile:
    array = ArrayFile(tmp_path / "array", (6, 2))
    array.reserve()
    return array


def test_rows_are_read_as_they_were_written(array: ArrayFile) -> None:
    checksums = array.write_rows(2, ROWS[2:5])
    np.testing.assert_array_equal(array.read_rows(np.array([4, 2])), ROWS[[4, 2]])
    assert array.holds(2, checksums)


def test_rows_that_were_never_written_are_not_those_of_their_checksums(array: ArrayFile) -> None:
    checksums = array.write_rows(0, ROWS[4:])
    assert not array.holds(4, checksums)
    array.path.unlink()
    assert not array.holds(0, checksums)


def test_disk_that_runs_full_is_an_error_at_the_write() -> None:
    with pytest.raises(OSError, match="No space left") as full:
        ArrayFile(Path("/dev/full"), (6, 2)).write_rows(0, ROWS)
    assert full.value.errno == errno.ENOSPC
