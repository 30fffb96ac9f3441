"""Arrays on disk, built once and then only mapped, as long as what they were made from is unchanged."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]


def make_key(settings: str, files: Iterable[Path]) -> str:
    """Give a short hash of the settings and of the name, size and time of change of each file.

    A changed, added or removed file or another setting gives another key.
    """
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps([settings, stats]).encode()).hexdigest()[:16]


def open_or_build(
    folder: Path, key: str, shape: tuple[int, ...], build: Callable[[Int16Array], None]
) -> Int16Array:
    """Map the int16 array of ``key`` read-only; if there is none, let ``build`` fill one of ``shape`` first.

    The array appears under its name only when it is complete, and then replaces those of other keys.
    """
    path = folder / f"patches-{key}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, shape, build)
        for stale in set(folder.glob("patches-*.npy")) - {path}:
            stale.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def _write_atomically(path: Path, shape: tuple[int, ...], build: Callable[[Int16Array], None]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.int16, shape=shape)
        build(array)
        array.flush()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
