"""The embedded store and Supabase together: local at once, carried to Supabase as soon as it is there."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fl_core.errors import StoreError
from fl_store.base import RowT, Store
from fl_store.carrier import Carrier, CarrierThread
from fl_store.rows import Row, SessionRow, SiteAccessRow, UserRow
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.sqlite import SqliteStore

COPY_EVERY_S = 2.0
NUM_SESSIONS_COPIED = 200
NUM_REQUESTS_COPIED = 200

CopiedT = TypeVar("CopiedT", UserRow, SessionRow, SiteAccessRow, RunRequestRow)
Copy = Callable[[SqliteStore, Store], None]


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


class Copier:
    """Takes over what others change in Supabase every two seconds, in a thread that nobody waits for.

    ``copy`` does it once; while Supabase is away, the last copy serves.
    """

    def __init__(self, local: SqliteStore, remote: Store, copy: Copy) -> None:
        self._local = local
        self._remote = remote
        self._copy = copy
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="copier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, but do not wait long for an answer of Supabase."""
        self._closing.set()
        self._thread.join(COPY_EVERY_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(StoreError):  # the carrier tells it
                self._copy(self._local, self._remote)
            self._closing.wait(COPY_EVERY_S)


class CoordinatorStore(MirroredStore):
    """What the process keeps that conducts a run: it takes over what is asked of the run elsewhere.

    A monitor on another machine can write to Supabase only; the run itself looks in the local store.
    """

    def __init__(self, local: SqliteStore, remote: Store) -> None:
        super().__init__(local, remote)
        self._copier = Copier(local, remote, copy_requests)

    def close(self) -> None:
        """End the threads, after a last attempt to carry what waits."""
        self._copier.stop()
        super().close()


class MonitorStore(MirroredStore):
    """What a monitor reads: the rows of the coordinator on this machine, or else those in Supabase.

    Logins are checked against a copy here, so that they work, and cost no request, whatever Supabase does;
    what changes there (a password, a session that was ended) is here within seconds.
    """

    def __init__(self, local: SqliteStore, remote: Store) -> None:
        super().__init__(local, remote)
        self._is_coordinators = False
        with contextlib.suppress(StoreError):  # so that who comes first can log in
            copy_logins(local, remote)
        self._copier = Copier(local, remote, copy_logins)

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
        self._copier.stop()
        super().close()


def copy_logins(local: SqliteStore, remote: Store) -> None:
    """Take over accounts and sessions that have changed in Supabase; StoreError if it cannot be read."""
    _copy_new(local, UserRow, remote.get(UserRow))
    _copy_new(local, SessionRow, remote.get(SessionRow, newest=NUM_SESSIONS_COPIED))


def copy_requests(local: SqliteStore, remote: Store) -> None:
    """Take over what was asked of runs and said of sites in Supabase; StoreError if it cannot be read."""
    _copy_new(local, SiteAccessRow, remote.get(SiteAccessRow))
    _copy_new(local, RunRequestRow, remote.get(RunRequestRow, newest=NUM_REQUESTS_COPIED))


def _copy_new(local: SqliteStore, row_type: type[CopiedT], there: Sequence[CopiedT]) -> None:
    here = set(local.get(row_type))
    if new := [row for row in there if row not in here]:
        local.put_copies(new)
