"""The tables behind the rows, in SQLAlchemy; column names are the field names of ``rows``.

The same tables in Postgres are in ``supabase/migrations``; a test holds the two against each other. The
types below stand at the edge of every store: what goes in is checked, what comes out is Python's again,
also from the JSON in which Supabase answers.
"""

import json
import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fl_store import rows

SCHEMA_VERSION = 2

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


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


metadata = sa.MetaData()


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


TABLES: dict[type[Any], sa.Table] = {
    rows.SiteRow: sa.Table(
        "sites",
        metadata,
        _key("site", Text),
        _must("node_id", Text),
        _must("num_train_scans", sa.Integer),
        _must("num_validation_scans", sa.Integer),
        _must("first_seen_at", UtcTime),
        _must("joined_at", UtcTime),
    ),
    rows.UserRow: sa.Table(
        "users",
        metadata,
        _key("name", Text),
        _must("password_hash", Text),
        _must("role", Words(rows.Role)),
        _may("site", Text),
        _must("is_disabled", sa.Boolean),
        _must("created_at", UtcTime),
        _must("changed_at", UtcTime),
        sa.CheckConstraint("password_hash like '$2b$__$%' and length(password_hash) = 60", name="is_bcrypt"),
        sa.CheckConstraint("(role = 'client') = (site is not null)", name="only_clients_have_a_site"),
    ),
    rows.SessionRow: sa.Table(
        "sessions",
        metadata,
        _key("token_hash", Text),
        _must("user", Text),
        _must("created_at", UtcTime),
        _must("seen_at", UtcTime),
        _must("expires_at", UtcTime),
        _may("ended_at", UtcTime),
    ),
    rows.LoginAttemptRow: sa.Table(
        "login_attempts",
        metadata,
        _may("user", Text),
        _may("address", Text),
        _must("is_accepted", sa.Boolean),
        _must("attempted_at", UtcTime),
        _key("attempt_id", Text),
        sa.Index("login_attempts_by_time", "attempted_at"),
    ),
    rows.RunRow: sa.Table(
        "runs",
        metadata,
        _key("run_id", Text),
        _must("name", Text),
        _must("state", Words(rows.RunState)),
        _must("num_rounds", sa.Integer),
        _must("config", Document),
        _must("started_at", UtcTime),
        _may("ended_at", UtcTime),
        _may("reason", Text),
    ),
    rows.DataCardRow: sa.Table(
        "data_cards",
        metadata,
        _key("site", Text),
        _must("card", Document),
        _must("received_at", UtcTime),
    ),
    rows.SiteRoundRow: sa.Table(
        "site_rounds",
        metadata,
        _key("run_id", Text),
        _key("round_no", sa.Integer),
        _key("site", Text),
        _must("state", Words(rows.SiteRoundState)),
        _must("train_sent_at", UtcTime),
        _may("train_received_at", UtcTime),
        _may("evaluate_sent_at", UtcTime),
        _may("evaluate_received_at", UtcTime),
        _may("train_s", Number),
        _may("evaluate_s", Number),
        _must("bytes_down", sa.BigInteger),
        _must("bytes_up", sa.BigInteger),
        _may("num_examples", sa.BigInteger),
        _may("update_norm", Number),
        _may("update_cosine", Number),
        _may("reason", Text),
    ),
    rows.MetricRow: sa.Table(
        "metrics",
        metadata,
        _key("run_id", Text),
        _key("round_no", sa.Integer),
        _key("site", Text),
        _key("metric", Words(rows.Metric)),
        _may("value", Number),
        _may("num_examples", sa.BigInteger),
        _must("recorded_at", UtcTime),
        _may("not_finite", Words(rows.NotFinite)),
        sa.CheckConstraint("value is null or not_finite is null", name="not_finite_has_no_value"),
    ),
    rows.RoundRow: sa.Table(
        "rounds",
        metadata,
        _key("run_id", Text),
        _key("round_no", sa.Integer),
        _must("started_at", UtcTime),
        _may("ended_at", UtcTime),
    ),
    rows.CheckpointRow: sa.Table(
        "checkpoints",
        metadata,
        _key("run_id", Text),
        _key("kind", Text),
        _must("round_no", sa.Integer),
        _must("file_name", Text),
        _must("sha256", Text),
        _must("num_bytes", sa.BigInteger),
        _may("cpm", Number),
        _may("auc", Number),
        _must("written_at", UtcTime),
    ),
    rows.PresenceRow: sa.Table(
        "presence",
        metadata,
        _key("kind", Words(rows.PresenceKind)),
        _key("name", Text),
        _must("state", Text),
        _must("last_seen_at", UtcTime),
    ),
    rows.EventRow: sa.Table(
        "events",
        metadata,
        _must("kind", Text),
        _must("text", Text),
        _may("run_id", Text),
        _may("site", Text),
        _may("user", Text),
        _must("occurred_at", UtcTime),
        _key("event_id", Text),
        sa.Index("events_by_time", "occurred_at"),
        sa.Index("events_of_run_by_time", "run_id", "occurred_at"),
    ),
}
"""The table of each kind of row. A store that is filled in this order never shows an end before what it
ends: the numbers of a round are there before the row that says it is over."""

ROW_TYPES = {table.name: row_type for row_type, table in TABLES.items()}

ORDERED_BY: dict[type[Any], str] = {
    rows.SiteRow: "joined_at",
    rows.UserRow: "created_at",
    rows.SessionRow: "created_at",
    rows.LoginAttemptRow: "attempted_at",
    rows.RunRow: "started_at",
    rows.DataCardRow: "site",
    rows.SiteRoundRow: "round_no",
    rows.MetricRow: "round_no",
    rows.RoundRow: "round_no",
    rows.CheckpointRow: "round_no",
    rows.PresenceRow: "last_seen_at",
    rows.EventRow: "occurred_at",
}
"""The column by which rows of a kind are in order, oldest first."""

OUTBOX = sa.Table(
    "outbox",
    metadata,
    sa.Column("entry_id", sa.Integer, primary_key=True),
    _must("table_name", sa.Text),
    _must("row_key", sa.Text),
    _must("queued_at", UtcTime),
    _may("refusal", sa.Text),
    sa.UniqueConstraint("table_name", "row_key"),
    sqlite_autoincrement=True,
)
"""Which rows of this store Supabase does not have yet; in SQLite only. A row that changes again gets a new
entry in place of the old one, with a new number. An entry with a ``refusal`` is parked."""
