"""The embedded store: SQLite in WAL mode, every commit on disk before ``put`` returns.

With each row goes an entry in the outbox, in the same transaction, so that Supabase can be given what it
does not have, whenever it is there. See ``outbox``. With a row that tells who did what goes an entry in the
audit log, in that transaction too. See ``audit``.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import Insert, insert

from fl_core.errors import RowRefusedError, StoreError, StoreTooNewError, StoreUnavailableError
from fl_core.locks import hold_lock
from fl_store import audit
from fl_store.audit import AUDITED
from fl_store.base import RowT
from fl_store.outbox_table import OUTBOX
from fl_store.rows import (
    AuditRow,
    PresenceRow,
    Row,
    SessionRow,
    SiteAccessRow,
    SiteRow,
    UploadRow,
    UserRow,
    utc_now,
)
from fl_store.schema import NEVER_CHANGED, ORDERED_BY, SCHEMA_VERSION, TABLES, metadata
from fl_store.wire import to_plain

FILE_NAME = "fedluna.db"
BUSY_TIMEOUT_MS = 5_000


class SqliteStore:
    """A ``Store`` in one SQLite file, which several processes may open at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; StoreError if it is unusable, StoreTooNewError if of a newer schema."""
        self.path = path
        self._engine = sa.create_engine(f"sqlite:///{path}")
        sa.event.listen(self._engine, "connect", _set_pragmas)
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            # The switch to WAL does not wait for another's lock.
            with hold_lock(path.with_suffix(".lock")):
                self._create_schema()

    def put(self, rows: Sequence[Row]) -> None:
        """Keep all rows or none, in one transaction; note that Supabase lacks them, and audit them."""
        with self.begin() as connection:
            for row_type, group in groupby(rows, type):
                keep = _keep_audited if row_type in AUDITED else _keep
                keep(connection, list(group))

    def put_copies(self, rows: Sequence[Row]) -> None:
        """Keep rows that come from Supabase, but not over one that is still to be carried there."""
        with self.begin() as connection:
            queued = sa.select(OUTBOX.c.table_name, OUTBOX.c.row_key)
            waiting = {tuple(entry) for entry in connection.execute(queued)}
            for row in rows:
                if (TABLES[type(row)].name, key_text(row)) not in waiting:
                    connection.execute(_upsert(type(row)), asdict(row))

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows whose columns equal ``where``, oldest first; ``newest`` keeps the last n."""
        table = TABLES[row_type]
        order = [table.c[ORDERED_BY[row_type]], *table.primary_key.columns]
        query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
        query = query.order_by(*(column.desc() for column in order)).limit(newest)
        with self.begin() as connection:
            try:
                found = connection.execute(query).mappings().all()
            except ValueError as error:  # a word that none of our enums has
                raise StoreError(f"{self.path}, table {table.name}: {error}.") from error
        return [row_type(**row) for row in reversed(found)]

    def check(self) -> None:
        """Read through the file and take the right to write; StoreError if either fails."""
        with self.begin() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if found != "ok":
                raise StoreError(f"{self.path} is damaged: {found.splitlines()[-1]}.")
            connection.execute(OUTBOX.delete().where(sa.false()))

    def close(self) -> None:
        """Close every connection to the file."""
        self._engine.dispose()

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a transaction; what goes wrong in it is a StoreError of one line."""
        with self._explained(), self._engine.begin() as connection:
            yield connection

    def _create_schema(self) -> None:
        """Make the tables of this version; an older file gets what it lacks, and is queued as a whole."""
        with self._engine.begin() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found > SCHEMA_VERSION:
                raise StoreTooNewError(
                    f"{self.path} has schema {found}, written by a newer FedLuna; this one knows "
                    f"schema {SCHEMA_VERSION}. Update FedLuna or choose another FEDLUNA_HOME."
                )
            if found == SCHEMA_VERSION:  # nothing to write, so no other program's lock to wait for
                return
            metadata.create_all(connection)
            _add_missing_columns(connection)
        if found:
            for row_type in TABLES:
                if rows := self.get(row_type):
                    with self.begin() as connection:
                        _keep(connection, rows)
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn a fault of the database, the disk or a value into one line."""
        try:
            yield
        except sa.exc.DatabaseError as error:
            is_row = isinstance(error, sa.exc.IntegrityError | sa.exc.DataError)
            kind = RowRefusedError if is_row else StoreUnavailableError
            raise kind(f"Cannot use the store {self.path}: {error.orig}.") from error
        except sa.exc.StatementError as error:
            raise RowRefusedError(f"Cannot use the store {self.path}: {error.orig}.") from error
        except OverflowError as error:
            raise RowRefusedError(f"Cannot use the store {self.path}: {error}.") from error
        except OSError as error:
            raise StoreUnavailableError(f"Cannot use the store {self.path}: {error.strerror}.") from error


def _keep(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Keep rows of one kind, and queue them for Supabase."""
    connection.execute(_upsert(type(rows[0])), [asdict(row) for row in rows])
    connection.execute(_QUEUE, [_entry_of(row) for row in rows])


def _keep_audited(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Keep rows one by one, and add those that changed something to the audit log.

    The first of them takes SQLite's lock for writers, so that no other process adds an entry before the end.
    """
    for row in rows:
        is_new = connection.execute(_upsert(type(row)), asdict(row)).rowcount > 0
        connection.execute(_QUEUE, _entry_of(row))
        if is_new:
            _keep(connection, [audit.make_entry(row, _last_audit_row(connection))])


def _last_audit_row(connection: sa.Connection) -> AuditRow | None:
    table = TABLES[AuditRow]
    last = connection.execute(sa.select(table).order_by(table.c.entry_no.desc()).limit(1)).mappings().first()
    return AuditRow(**last) if last else None


def key_text(row: Row) -> str:
    """Return the row's key as a JSON list."""
    columns = TABLES[type(row)].primary_key
    return json.dumps([to_plain(column, getattr(row, column.name)) for column in columns])


_QUEUE = insert(OUTBOX).prefix_with("OR REPLACE")


def _entry_of(row: Row) -> dict[str, Any]:
    return {"table_name": TABLES[type(row)].name, "row_key": key_text(row), "queued_at": utc_now()}


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _upsert(row_type: type[Row]) -> Insert:
    """Return the statement that keeps a row; supabase/migrations has the same rules as triggers."""
    table = TABLES[row_type]
    query = insert(table)
    if row_type in NEVER_CHANGED:
        return query.on_conflict_do_nothing()
    keys = table.primary_key.columns
    old, new = table.c, query.excluded
    replaced: dict[str, sa.ColumnElement[Any]] = {
        column.name: new[column.name] for column in table.c if column.name not in keys
    }
    if row_type is SiteRow:
        replaced["first_seen_at"] = sa.func.min(old.first_seen_at, new.first_seen_at)
    if row_type is SessionRow:  # one that was ended stays so, whoever writes it last
        replaced["ended_at"] = sa.func.coalesce(old.ended_at, new.ended_at)
        replaced["seen_at"] = sa.func.max(old.seen_at, new.seen_at)
    clock = _CLOCKS.get(row_type)
    is_newer = old[clock] <= new[clock] if clock else None
    return query.on_conflict_do_update(index_elements=list(keys), set_=replaced, where=is_newer)


_CLOCKS: dict[type[Row], str] = {
    PresenceRow: "last_seen_at",
    SiteAccessRow: "changed_at",
    UploadRow: "changed_at",
    UserRow: "changed_at",
}
"""A row of these is never replaced by one that is older."""


def _add_missing_columns(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    for table in TABLES.values():
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.c:
            if column.name not in known:
                line = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {line}")
