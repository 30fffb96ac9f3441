"""The outbox: which rows of the embedded store Supabase does not have yet, and which it refuses.

It holds keys, not rows. So a row that changes ten times during an outage is carried once, as it is then, and
the outbox never outgrows the store.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fl_store.outbox_table import OUTBOX
from fl_store.rows import Row
from fl_store.schema import ROW_TYPES, TABLES
from fl_store.sqlite import SqliteStore

_IS_PARKED = OUTBOX.c.refusal.is_not(None)
_DROP = OUTBOX.delete().where(OUTBOX.c.entry_id == sa.bindparam("dropped_id"))


@dataclass(frozen=True)
class Entry:
    """One row that Supabase does not have as it is now."""

    entry_id: int
    row: Row


@dataclass(frozen=True)
class Refusal:
    """Why some rows of a table are parked."""

    table: str
    num_rows: int
    reason: str


@dataclass(frozen=True)
class Backlog:
    """How many rows wait, since when the oldest does, and which are parked."""

    num_waiting: int
    oldest_at: datetime | None
    refusals: tuple[Refusal, ...]

    @property
    def num_parked(self) -> int:
        """The number of rows that Supabase refuses."""
        return sum(refusal.num_rows for refusal in self.refusals)


class Outbox:
    """The outbox of one embedded store; all methods raise StoreUnavailableError if that cannot be used."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def oldest(self, num_entries: int) -> list[Entry]:
        """Return the entries that wait longest, with their rows, in the order of the tables."""
        query = sa.select(OUTBOX.c.entry_id, OUTBOX.c.table_name)
        query = query.where(~_IS_PARKED).order_by(OUTBOX.c.entry_id).limit(num_entries)
        with self._store.begin() as connection:
            waiting: dict[int, str] = dict(connection.execute(query).all())
            tables = [name for name in ROW_TYPES if name in waiting.values()]
            found = [entry for name in tables for entry in _entries_of(connection, name, max(waiting))]
            gone = waiting.keys() - {entry.entry_id for entry in found}
            if gone:  # somebody deleted the rows themselves
                connection.execute(_DROP, [{"dropped_id": entry_id} for entry_id in gone])
        return found

    def drop(self, entries: Sequence[Entry]) -> None:
        """Forget entries that were carried; a row that has changed since has another entry, which stays."""
        with self._store.begin() as connection:
            connection.execute(_DROP, [{"dropped_id": entry.entry_id} for entry in entries])

    def park(self, entries: Sequence[Entry], reason: str) -> None:
        """Set entries aside that Supabase refuses."""
        chosen = OUTBOX.c.entry_id.in_([entry.entry_id for entry in entries])
        with self._store.begin() as connection:
            connection.execute(OUTBOX.update().where(chosen).values(refusal=reason))

    def retry_parked(self) -> None:
        """Let parked entries be tried once more."""
        with self._store.begin() as connection:
            connection.execute(OUTBOX.update().where(_IS_PARKED).values(refusal=None))

    def backlog(self) -> Backlog:
        """Return what has not been carried."""
        waiting = sa.select(sa.func.count(), sa.func.min(OUTBOX.c.queued_at)).where(~_IS_PARKED)
        refused = sa.select(OUTBOX.c.table_name, sa.func.count(), OUTBOX.c.refusal).where(_IS_PARKED)
        refused = refused.group_by(OUTBOX.c.table_name, OUTBOX.c.refusal).order_by(OUTBOX.c.table_name)
        with self._store.begin() as connection:
            num_waiting, oldest_at = connection.execute(waiting).one()
            refusals = tuple(Refusal(*found) for found in connection.execute(refused))
        return Backlog(num_waiting, oldest_at, refusals)


def _entries_of(connection: sa.Connection, table_name: str, last_id: int) -> Iterator[Entry]:
    """Yield the entries of one table, with their rows, up to the entry ``last_id``."""
    row_type = ROW_TYPES[table_name]
    table = TABLES[row_type]
    # A list of keys would be simpler, but SQLite reads the whole table to find those of several columns.
    parts_of_key = (
        column == sa.func.json_extract(OUTBOX.c.row_key, f"$[{place}]")
        for place, column in enumerate(table.primary_key)
    )
    query = sa.select(OUTBOX.c.entry_id, table).join_from(OUTBOX, table, sa.and_(*parts_of_key))
    query = query.where(OUTBOX.c.table_name == table_name, OUTBOX.c.entry_id <= last_id, ~_IS_PARKED)
    for found in connection.execute(query.order_by(OUTBOX.c.entry_id)).mappings():
        values = dict(found)
        yield Entry(values.pop("entry_id"), row_type(**values))
