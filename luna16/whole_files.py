"""Files that are there whole or not at all, though the process is killed, the disk full or the power lost.

It is without torch, which takes a second to import.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SUFFIX = ".partial"


@contextlib.contextmanager
def written_whole(*paths: Path, replaced: Path | None = None) -> Iterator[tuple[Path, ...]]:
    """Give a name for each file to be written under; at the end of the block they get their own names.

    They do so only once the bytes of all are on disk, so an error leaves the files of before, and no other.
    ``replaced`` is the name that the first file of before is kept by.
    """
    partials = tuple(path.with_name(path.name + SUFFIX) for path in paths)
    try:
        yield partials
        for partial in partials:
            _flush(partial)
        if replaced and paths[0].exists():
            paths[0].replace(replaced)
        for partial, path in zip(partials, paths, strict=True):
            partial.replace(path)
        _flush(paths[0].parent)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Write a file, whole or not at all, of this mode less the umask; OSError leaves the one of before."""
    with written_whole(path) as (partial,):
        partial.unlink(missing_ok=True)  # a killed writer's, with the mode it chose
        partial.touch(mode)
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    write_whole(path, to_json(content))


def to_json(content: Mapping[str, Any]) -> str:
    """Give JSON as our files hold it."""
    return json.dumps(content, indent=2) + "\n"


def remove_partials(folder: Path) -> None:
    """Remove what somebody who was killed has left half written; nobody may be writing there now."""
    for partial in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):  # a disk that has become read-only keeps it
            partial.unlink()


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
