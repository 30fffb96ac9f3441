"""Rows as JSON, the form in which Supabase takes and gives them and in which runs are exported."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from fl_core.errors import RowRefusedError
from fl_store.base import RowT
from fl_store.rows import Row
from fl_store.schema import TABLES

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def to_json(row: Row) -> dict[str, Any]:
    """Return the row's columns; times are ISO 8601 in UTC.

    Raises RowRefusedError if a value is none that its column can hold.
    """
    table = TABLES[type(row)]
    return {column.name: to_plain(column, getattr(row, column.name)) for column in table.c}


def to_plain(column: sa.Column[Any], value: Any) -> Any:
    """Return a column's value as JSON can hold it."""
    if value is None and not column.nullable:
        raise RowRefusedError(f"Table {column.table.name}: {column.name} is missing.")
    bind = getattr(column.type, "process_bind_param", None)
    try:
        plain = bind(value, _DIALECT) if bind else value
    except ValueError as error:
        raise RowRefusedError(f"Table {column.table.name}, column {column.name}: {error}.") from error
    return plain.isoformat() if isinstance(plain, datetime) else plain


def from_json(row_type: type[RowT], values: dict[str, Any]) -> RowT:
    """Return the row of these columns; ValueError for a word that none of our enums has."""
    table = TABLES[row_type]
    return row_type(**{column.name: _from_plain(column, values[column.name]) for column in table.c})


def _from_plain(column: sa.Column[Any], value: Any) -> Any:
    result = getattr(column.type, "process_result_value", None)
    return result(value, _DIALECT) if result else value
