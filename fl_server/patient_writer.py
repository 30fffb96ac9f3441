"""Writes rows to the store, and holds on to them while it cannot be written: nothing is lost meanwhile."""

import logging
import time

from fl_core.errors import RowRefusedError, StoreError
from fl_store.base import Store
from fl_store.rows import Row

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
POLL_S = 0.5
MAX_ROWS_HELD = 100_000


class PatientWriter:
    """Writes in order; a fault of the store never reaches the caller, who has a round to conduct."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: list[Row] = []
        self._is_holding = False
        self._retry_at = 0.0

    def put(self, *rows: Row) -> None:
        """Write the rows, after those that are still held; or hold them too."""
        self._held += rows
        if time.monotonic() >= self._retry_at:
            self._write()

    def flush(self, timeout_s: float) -> None:
        """Wait until nothing is held any more, but no longer than ``timeout_s``."""
        give_up_at = time.monotonic() + timeout_s
        self._write()
        while self._held and time.monotonic() < give_up_at:
            time.sleep(POLL_S)
            self._write()
        if self._held:
            logger.error("%s rows lost: the store could not be written to the end.", len(self._held))

    def _write(self) -> None:
        try:
            self._store.put(self._held)
        except RowRefusedError:
            self._write_one_by_one()
        except StoreError as error:
            self._hold(error)
            return
        if self._is_holding:
            logger.info("The store can be written again: %s rows were held.", len(self._held))
        self._held, self._is_holding = [], False

    def _write_one_by_one(self) -> None:
        for row in self._held:
            try:
                self._store.put([row])
            except StoreError as error:
                logger.error("1 row lost: %s", error)  # noqa: TRY400 - one line says it

    def _hold(self, error: StoreError) -> None:
        self._retry_at = time.monotonic() + RETRY_AFTER_S
        if not self._is_holding:
            self._is_holding = True
            logger.warning("%s Rows are held in memory; training goes on.", error)
        if len(self._held) > MAX_ROWS_HELD:
            logger.error("%s rows lost: too many to hold.", len(self._held) - MAX_ROWS_HELD)
            self._held = self._held[-MAX_ROWS_HELD:]
