"""The one thread of a monitor that reads the store, for all viewers."""

import logging
import threading
import time
from collections.abc import Collection
from typing import Any

from fl_core.errors import StoreError
from fl_monitor.snapshot import Snapshot, SnapshotReader
from fl_store.base import Store
from fl_store.rows import utc_now

logger = logging.getLogger(__name__)

READ_EVERY_S = 1.0
FIRST_READ_S = 5.0
"""So long a viewer waits for the first snapshot."""
REST_AFTER_S = 60.0
"""When nobody has looked for so long, nothing is read: Supabase may be paid by what is read."""


class Poller:
    """Reads a snapshot every second in a thread, as long as somebody looks."""

    def __init__(self, store: Store) -> None:
        self._reader = SnapshotReader(store)
        self._latest: Snapshot | None = None
        self._is_failing = False
        self._is_fresh = False
        self._has_read = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_at = 0.0
        self._wanted: dict[type[Any], float] = {}

    def latest(self, wanted: Collection[type[Any]] = ()) -> Snapshot | None:
        """Return the newest snapshot, with the ``wanted`` tables; None as long as there is none."""
        now = time.monotonic()
        with self._has_read:
            self._looked_at = now
            self._wanted |= dict.fromkeys(wanted, now)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="fl-monitor-poller", daemon=True)
                self._is_failing = self._is_fresh = False
                self._thread.start()
            self._has_read.wait_for(
                lambda: self._is_failing or (self._is_fresh and self._has_all(wanted)), FIRST_READ_S
            )
            return self._latest if self._has_all(wanted) else None

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def _has_all(self, wanted: Collection[type[Any]]) -> bool:
        return self._latest is not None and self._latest.tables.keys() >= set(wanted)

    def _run(self) -> None:
        while not self._stopping.is_set() and time.monotonic() - self._looked_at < REST_AFTER_S:
            self._read()
            self._stopping.wait(READ_EVERY_S)

    def _read(self) -> None:
        """Take a new snapshot; on a fault of the store keep the last one, and say so once."""
        with self._has_read:
            asked_since = time.monotonic() - REST_AFTER_S
            self._wanted = {table: at for table, at in self._wanted.items() if at > asked_since}
            wanted = list(self._wanted)
        try:
            latest = self._reader.read(utc_now(), wanted)
        except StoreError as error:
            self._note_failure(error)
            return
        with self._has_read:
            if self._is_failing:
                logger.info("The store can be read again.")
            self._latest, self._is_failing, self._is_fresh = latest, False, True
            self._has_read.notify_all()

    def _note_failure(self, error: StoreError) -> None:
        with self._has_read:
            if not self._is_failing:
                logger.warning("%s Viewers keep the last data and see that they are stale.", error)
            self._is_failing = True
            self._has_read.notify_all()
