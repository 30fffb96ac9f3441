"""The embedded store: SQLite in WAL mode, every commit on disk before ``put`` returns."""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import Insert, insert

from fl_core.errors import StoreError
from fl_store.base import RowT
from fl_store.rows import EventRow, PresenceRow, Row, SessionRow
from fl_store.schema import ORDERED_BY, SCHEMA_VERSION, TABLES, metadata

FILE_NAME = "fedluna.db"
BUSY_TIMEOUT_MS = 10_000


class SqliteStore:
    """A ``Store`` in one SQLite file, which several processes may open at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; StoreError if it is unusable or of a newer schema."""
        self._path = path
        self._engine = sa.create_engine(f"sqlite:///{path}")
        sa.event.listen(self._engine, "connect", _set_pragmas)
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path.with_suffix(".lock")):
                self._create_schema()

    def put(self, rows: Sequence[Row]) -> None:
        """Keep all rows or none, in one transaction."""
        with self._explained(), self._engine.begin() as connection:
            for row_type, group in groupby(rows, type):
                connection.execute(_upsert(row_type), [asdict(row) for row in group])

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows whose columns equal ``where``, oldest first; ``newest`` keeps the last n."""
        table = TABLES[row_type]
        order = [table.c[ORDERED_BY[row_type]], *table.primary_key.columns]
        query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
        query = query.order_by(*(column.desc() for column in order)).limit(newest)
        with self._explained(), self._engine.connect() as connection:
            try:
                found = connection.execute(query).mappings().all()
            except ValueError as error:  # a word that none of our enums has
                raise StoreError(f"{self._path}, table {table.name}: {error}.") from error
        return [row_type(**row) for row in reversed(found)]

    def close(self) -> None:
        """Close every connection to the file."""
        self._engine.dispose()

    def _create_schema(self) -> None:
        with self._engine.begin() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found > SCHEMA_VERSION:
                raise StoreError(
                    f"{self._path} has schema {found}, written by a newer FedLuna; this one knows "
                    f"schema {SCHEMA_VERSION}. Update FedLuna or choose another FEDLUNA_HOME."
                )
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn a fault of the database, the disk or a value into one line."""
        try:
            yield
        except sa.exc.StatementError as error:
            raise StoreError(f"Cannot use the store {self._path}: {error.orig}.") from error
        except OSError as error:
            raise StoreError(f"Cannot use the store {self._path}: {error.strerror}.") from error


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time make a new file: the switch to WAL does not wait for another's lock."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _upsert(row_type: type[Row]) -> Insert:
    table = TABLES[row_type]
    query = insert(table)
    if row_type is EventRow:
        return query.on_conflict_do_nothing()
    keys = table.primary_key.columns
    replaced: dict[str, sa.ColumnElement[Any]] = {
        column.name: query.excluded[column.name] for column in table.c if column.name not in keys
    }
    if row_type is SessionRow:  # a session that was ended stays so, whoever writes it last
        replaced["ended_at"] = sa.func.coalesce(table.c.ended_at, query.excluded.ended_at)
    is_newer = table.c.last_seen_at <= query.excluded.last_seen_at if row_type is PresenceRow else None
    return query.on_conflict_do_update(index_elements=list(keys), set_=replaced, where=is_newer)
