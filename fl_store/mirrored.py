"""The embedded store and Supabase together: local at once, carried to Supabase as soon as it is there."""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

from fl_core.errors import StoreError
from fl_store.base import RowT, Store
from fl_store.carrier import Carrier, CarrierThread
from fl_store.rows import Row, RunRow, SessionRow, UserRow
from fl_store.sqlite import SqliteStore

COPY_LOGINS_EVERY_S = 2.0
NUM_SESSIONS_COPIED = 200


class MirroredStore:
    """A ``Store`` that never waits for Supabase: rows are written and read here, a thread carries them."""

    def __init__(self, local: SqliteStore, remote: Store) -> None:
        self._local = local
        self._remote = remote
        self._carrier = CarrierThread(Carrier(local, remote))

    def put(self, rows: Sequence[Row]) -> None:
        """Keep all rows here or none, and let them be carried."""
        self._local.put(rows)
        self._carrier.wake()

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows that are here, oldest first."""
        return self._local.get(row_type, newest=newest, **where)

    def close(self) -> None:
        """Carry what can be carried at once; the rest stays in the outbox."""
        self._carrier.stop()
        self._remote.close()
        self._local.close()


class MonitorStore(MirroredStore):
    """What a monitor reads: the rows of the coordinator on this machine, or else those in Supabase.

    Logins are checked against a copy here, so that they work, and cost no request, whatever Supabase does;
    what changes there (a password, a session that was ended) is here within seconds.
    """

    def __init__(self, local: SqliteStore, remote: Store) -> None:
        super().__init__(local, remote)
        self._is_coordinators = False
        self._closing = threading.Event()
        self._copy_logins()
        self._copier = threading.Thread(target=self._keep_logins, name="login-copier", daemon=True)
        self._copier.start()

    @property
    def reads_supabase(self) -> bool:
        """Whether rows come from Supabase; where a coordinator has conducted a run, all are here."""
        self._is_coordinators = self._is_coordinators or bool(self._local.get(RunRow, newest=1))
        return not self._is_coordinators

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return rows from where they are kept, oldest first; StoreUnavailableError if that is away."""
        is_here = row_type in {UserRow, SessionRow} or not self.reads_supabase
        source = self._local if is_here else self._remote
        return source.get(row_type, newest=newest, **where)

    def close(self) -> None:
        """End the threads, after a last attempt to carry what waits."""
        self._closing.set()
        self._copier.join(COPY_LOGINS_EVERY_S)
        super().close()

    def _keep_logins(self) -> None:
        while not self._closing.wait(COPY_LOGINS_EVERY_S):
            self._copy_logins()

    def _copy_logins(self) -> None:
        with contextlib.suppress(StoreError):  # the carrier tells it, and the last copy serves
            copy_logins(self._local, self._remote)


def copy_logins(local: SqliteStore, remote: Store) -> None:
    """Take over accounts and sessions that have changed in Supabase; StoreError if it cannot be read."""
    here: set[Row] = {*local.get(UserRow), *local.get(SessionRow)}
    there: list[Row] = [*remote.get(UserRow), *remote.get(SessionRow, newest=NUM_SESSIONS_COPIED)]
    if changed := [row for row in there if row not in here]:
        local.put_copies(changed)
