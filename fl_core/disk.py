"""Whether there is room on a disk, and whether it can be written to."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from fl_core.findings import Finding, Level

OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES}
LITTLE = 100_000


def explain_disk(error: OSError, folder: Path) -> str | None:
    """Say in one line that a folder cannot be written to, and what to do; None if the error is another."""
    return _explain(error, folder) if error.errno in OF_THE_DISK else None


def find_write_fault(folder: Path, num_bytes: int = LITTLE) -> str | None:
    """Say in one line why so much cannot be written to a folder; None if it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(num_bytes))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return _explain(error, folder)
    return None


def _explain(error: OSError, folder: Path) -> str:
    return f"Cannot write to {folder}: {error.strerror}. Make room on its disk, or let this user write there."


def look_at_disk(home: Path, *, needed_gb: float, wished_gb: float) -> Finding:
    """Look at the disk of a folder, which need not be there yet: below ``needed_gb`` free is a fault."""
    folder = next(path for path in (home, *home.parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        text = f"{folder} cannot be written to: {error.strerror}."
        return Finding("disk", Level.FAULT, text, "Give this user the right, or set FEDLUNA_HOME.")
    free_gb = shutil.disk_usage(folder).free / 1e9
    level = Level.OK if free_gb >= wished_gb else Level.WARNING
    if free_gb < needed_gb:
        level = Level.FAULT
    advice = "" if level is Level.OK else "Make room, or set FEDLUNA_HOME to a larger disk."
    return Finding("disk", level, f"{free_gb:.1f} GB are free in {folder}.", advice)
