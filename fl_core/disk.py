"""Whether there is room on a disk, and whether it can be written to."""

import shutil
import tempfile
from pathlib import Path

from fl_core.findings import Finding, Level


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
