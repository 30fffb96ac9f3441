"""The lock that a run's ServerApp holds as long as it lives: one at a time, and its end is seen at once.

Flower's SuperLink notices a ServerApp that was killed a minute later.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fl_core.locks import hold_lock, try_lock

LOCK_NAME = "server.lock"


@contextlib.contextmanager
def hold_server_lock(folder: Path, start_id: str) -> Iterator[None]:
    """Hold the lock of a run's folder, once another ServerApp of this run has ended."""
    path = folder / LOCK_NAME
    with hold_lock(path):
        path.write_text(start_id)
        yield


class ServerWatch:
    """Looks from another process whether the ServerApp lives that was started as ``start_id``."""

    def __init__(self, folder: Path, start_id: str) -> None:
        self._path = folder / LOCK_NAME
        self._start_id = start_id

    def has_ended(self) -> bool:
        """Say whether it was there, and is not any more."""
        with try_lock(self._path) as is_free:
            return is_free and self._path.read_text() == self._start_id
