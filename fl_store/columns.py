"""The types of columns: the edge of every store.

What goes in is checked, what comes out is Python's again, also from the JSON in which Supabase answers.
"""

import json
import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ORDERS = "orders"


class _Unchanged(sa.types.TypeDecorator[Any]):
    """A type that leaves values as they are; its children say what they do otherwise."""

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Return what goes in."""
        return value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Return what comes out."""
        return value


class Text(_Unchanged):
    """A text; NUL and lone surrogates, which Postgres cannot hold, become the replacement character."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Replace what cannot be held."""
        if value is None:
            return None
        return value.replace("\0", REPLACEMENT).encode(errors="surrogatepass").decode(errors="replace")


class Number(_Unchanged):
    """A finite number."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: sa.Dialect) -> float | None:  # noqa: ARG002
        """Refuse NaN, which SQLite would make nothing of, and infinity, which JSON lacks."""
        if value is not None and not math.isfinite(value):
            raise ValueError(f"number is {value}, expected a finite one")
        return value

    def process_result_value(self, value: float | None, dialect: sa.Dialect) -> float | None:  # noqa: ARG002
        """Make a float of what JSON may show as a whole number."""
        return None if value is None else float(value)


class Document(_Unchanged):
    """A JSON object."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Refuse what JSON cannot hold, NaN among it."""
        json.dumps(value, allow_nan=False)
        return value


class UtcTime(_Unchanged):
    """A time in UTC; a time without a zone is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to UTC on the way in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | str | None,
        dialect: sa.Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Put the zone back, which SQLite does not keep."""
        if value is None:
            return None
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


class Words(_Unchanged):
    """A StrEnum, kept as its text."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Check the word on the way in."""
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:  # noqa: ARG002
        """Make it a word of the enum again."""
        return None if value is None else self.words(value)


def key(name: str, kind: Any, *, orders: bool = False) -> sa.Column[Any]:
    """Make a column of the key; rows are in order by the one column of their table that ``orders``."""
    return sa.Column(name, kind, primary_key=True, info={_ORDERS: orders})


def must(name: str, kind: Any, *, orders: bool = False) -> sa.Column[Any]:
    """Make a column that always has a value."""
    return sa.Column(name, kind, nullable=False, info={_ORDERS: orders})


def may(name: str, kind: Any) -> sa.Column[Any]:
    """Make a column that may be empty."""
    return sa.Column(name, kind, nullable=True)


def is_ordering(column: sa.Column[Any]) -> bool:
    """Say whether rows are in order by this column."""
    return bool(column.info.get(_ORDERS))
