"""Carries rows from the outbox of the embedded store to Supabase, by hand or from a thread.

Every process that has the keys may run one; a file lock lets one of them carry at a time, so that rows
arrive in order. Whatever happens to Supabase, rows stay in the outbox until it has confirmed them.
"""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

from fl_core.errors import RowRefusedError, StoreError, TableRefusedError
from fl_core.locks import hold_lock, try_lock
from fl_store.base import Store
from fl_store.outbox import Entry, Outbox
from fl_store.sqlite import SqliteStore

logger = logging.getLogger(__name__)

BATCH_ROWS = 500
POLL_S = 0.5
"""How often rows that another process wrote are looked for."""
LONGER_PAUSE_S = 0.05
"""What a failure adds to the pause; if pauses doubled, answers lost by chance would soon cost an outage's."""
LONGEST_PAUSE_S = 2.0
RETRY_PARKED_EVERY_S = 600.0
DRAIN_S = 5.0


class Carrier:
    """Gives Supabase what it does not have yet, oldest first."""

    def __init__(self, local: SqliteStore, remote: Store) -> None:
        self.outbox = Outbox(local)
        self.num_settled = 0
        self._remote = remote
        self._lock_path = local.path.with_suffix(".carrier.lock")
        self._told: set[str] = set()

    def carry(self) -> int:
        """Carry a batch, unless another process is at it; return how many rows were in hand.

        Raises StoreUnavailableError if it came to a stop; what was confirmed before is settled.
        """
        with try_lock(self._lock_path) as is_ours:
            return self._carry_batch() if is_ours else 0

    def carry_all(self) -> Iterator[int]:
        """Carry everything, also what was refused before; yield the number of rows of each batch.

        Other processes get their turns in between.
        """
        self.outbox.retry_parked()
        num_rows = 1
        while num_rows:
            with hold_lock(self._lock_path):
                num_rows = self._carry_batch()
            yield num_rows

    def _carry_batch(self) -> int:
        entries = self.outbox.oldest(BATCH_ROWS)
        for _type, same in groupby(entries, lambda entry: type(entry.row)):
            self._settle(list(same))
        return len(entries)

    def _settle(self, entries: Sequence[Entry]) -> None:
        """Carry rows of one table; one that is refused is found by halves, and parked."""
        try:
            self._remote.put([entry.row for entry in entries])
        except RowRefusedError as error:
            if len(entries) == 1 or isinstance(error, TableRefusedError):
                self._park(entries, str(error))
                return
            middle = len(entries) // 2
            self._settle(entries[:middle])
            self._settle(entries[middle:])
        else:
            self.outbox.drop(entries)
            self.num_settled += len(entries)

    def _park(self, entries: Sequence[Entry], reason: str) -> None:
        self.outbox.park(entries, reason)
        self.num_settled += len(entries)
        if reason not in self._told:
            self._told.add(reason)
            logger.warning("Parked, as `fl-server doctor` shows: %s", reason)


class CarrierThread:
    """Carries as long as the process lives; when Supabase is away, it tries again after growing pauses."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._num_failures = 0
        self._retry_parked_at = 0.0
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for rows now."""
        self._wanted.set()

    def stop(self) -> None:
        """Carry what can be carried within ``DRAIN_S``, and end."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join(DRAIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._carry() and not self._stopping.is_set():
                self._wanted.wait(POLL_S)
                self._wanted.clear()
        if self._num_failures == 0:
            with contextlib.suppress(StoreError):  # they stay in the outbox
                while self._carrier.carry():
                    pass

    def _carry(self) -> int:
        """Carry a batch and return its number of rows; a failure is told once, and waited for."""
        num_before = self._carrier.num_settled
        try:
            self._let_parked_be_tried()
            num_rows = self._carrier.carry()
        except Exception as error:  # noqa: BLE001 - the edge of the thread: the rows stay, and are tried again
            self._note_failure(error, has_progress=self._carrier.num_settled > num_before)
            return 0
        if self._num_failures and num_rows:
            logger.info("Supabase is back: %s rows carried.", num_rows)
            self._num_failures = 0
        return num_rows

    def _let_parked_be_tried(self) -> None:
        if time.monotonic() >= self._retry_parked_at:
            self._carrier.outbox.retry_parked()
            self._retry_parked_at = time.monotonic() + RETRY_PARKED_EVERY_S

    def _note_failure(self, error: Exception, *, has_progress: bool) -> None:
        if not isinstance(error, StoreError):
            logger.error("The rows stay in the outbox.", exc_info=error)
        elif self._num_failures == 0:
            logger.warning("%s Rows wait here until it can take them.", error)
        self._num_failures = 1 if has_progress else self._num_failures + 1
        self._stopping.wait(pause_s(self._num_failures))


def pause_s(num_failures: int) -> float:
    """Return how long to wait after so many failures in a row: ever longer, and never quite alike."""
    longest = min(LONGER_PAUSE_S * num_failures, LONGEST_PAUSE_S)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that many do not come at once
