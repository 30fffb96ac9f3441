"""The outbox: which rows of the embedded store Supabase does not have yet, and which it refuses.

It holds keys, not rows. So a row that changes ten times during an outage is carried once, as it is then, and
the outbox never outgrows the store.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fl_store.rows import Row
from fl_store.schema import OUTBOX, ROW_TYPES, TABLES
from fl_store.sqlite import SqliteStore, key_text

_IS_PARKED = OUTBOX.c.refusal.is_not(None)


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
        query = sa.select(OUTBOX.c.entry_id, OUTBOX.c.table_name, OUTBOX.c.row_key)
        query = query.where(~_IS_PARKED).order_by(OUTBOX.c.entry_id).limit(num_entries)
        with self._store.begin() as connection:
            waiting: dict[str, dict[str, int]] = defaultdict(dict)
            for entry_id, table_name, row_key in connection.execute(query):
                waiting[table_name][row_key] = entry_id
            found = [entry for name in ROW_TYPES for entry in _entries_of(connection, name, waiting[name])]
            left = {entry_id for ids in waiting.values() for entry_id in ids.values()}
            left -= {entry.entry_id for entry in found}
            if left:  # somebody deleted the rows themselves
                connection.execute(OUTBOX.delete().where(OUTBOX.c.entry_id.in_(left)))
        return found

    def drop(self, entries: Sequence[Entry]) -> None:
        """Forget entries that were carried; a row that has changed since has another entry, which stays."""
        ids = [entry.entry_id for entry in entries]
        with self._store.begin() as connection:
            connection.execute(OUTBOX.delete().where(OUTBOX.c.entry_id.in_(ids)))

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


def _entries_of(connection: sa.Connection, table_name: str, ids: dict[str, int]) -> Iterator[Entry]:
    """Yield the entries of one table with their rows; ``ids`` are the entries' numbers by key."""
    row_type = ROW_TYPES[table_name]
    table = TABLES[row_type]
    keys = list(table.primary_key.columns)
    wanted = [tuple(json.loads(key)) for key in ids]
    query = sa.select(table).where(sa.tuple_(*keys).in_(wanted))
    for values in connection.execute(query).mappings() if wanted else ():
        row = row_type(**values)
        yield Entry(ids[key_text(row)], row)
