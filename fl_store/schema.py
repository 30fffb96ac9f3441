"""The tables behind the rows, in SQLAlchemy; column names are the field names of ``rows``."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from fl_store import rows

SCHEMA_VERSION = 1


class UtcTime(sa.types.TypeDecorator[datetime]):
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

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Put the zone back, which SQLite does not keep."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(sa.types.TypeDecorator[StrEnum]):
    """A StrEnum, kept as its text."""

    impl = sa.String
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
        _key("site", sa.String),
        _must("node_id", sa.String),
        _must("num_train_scans", sa.Integer),
        _must("num_validation_scans", sa.Integer),
        _must("first_seen_at", UtcTime),
        _must("joined_at", UtcTime),
    ),
    rows.UserRow: sa.Table(
        "users",
        metadata,
        _key("name", sa.String),
        _must("password_hash", sa.String),
        _must("role", Words(rows.Role)),
        _may("site", sa.String),
        _must("is_disabled", sa.Boolean),
        _must("created_at", UtcTime),
        _must("changed_at", UtcTime),
    ),
    rows.SessionRow: sa.Table(
        "sessions",
        metadata,
        _key("token_hash", sa.String),
        _must("user", sa.String),
        _must("created_at", UtcTime),
        _must("seen_at", UtcTime),
        _must("expires_at", UtcTime),
        _may("ended_at", UtcTime),
    ),
    rows.RunRow: sa.Table(
        "runs",
        metadata,
        _key("run_id", sa.String),
        _must("name", sa.String),
        _must("state", Words(rows.RunState)),
        _must("num_rounds", sa.Integer),
        _must("config", sa.JSON),
        _must("started_at", UtcTime),
        _may("ended_at", UtcTime),
        _may("reason", sa.String),
    ),
    rows.RoundRow: sa.Table(
        "rounds",
        metadata,
        _key("run_id", sa.String),
        _key("round_no", sa.Integer),
        _must("started_at", UtcTime),
        _may("ended_at", UtcTime),
    ),
    rows.SiteRoundRow: sa.Table(
        "site_rounds",
        metadata,
        _key("run_id", sa.String),
        _key("round_no", sa.Integer),
        _key("site", sa.String),
        _must("state", Words(rows.SiteRoundState)),
        _must("train_sent_at", UtcTime),
        _may("train_received_at", UtcTime),
        _may("evaluate_sent_at", UtcTime),
        _may("evaluate_received_at", UtcTime),
        _may("train_s", sa.Float),
        _may("evaluate_s", sa.Float),
        _must("bytes_down", sa.BigInteger),
        _must("bytes_up", sa.BigInteger),
        _may("num_examples", sa.BigInteger),
        _may("reason", sa.String),
    ),
    rows.MetricRow: sa.Table(
        "metrics",
        metadata,
        _key("run_id", sa.String),
        _key("round_no", sa.Integer),
        _key("site", sa.String),
        _key("metric", Words(rows.Metric)),
        _may("value", sa.Float),
        _may("num_examples", sa.BigInteger),
        _must("recorded_at", UtcTime),
    ),
    rows.CheckpointRow: sa.Table(
        "checkpoints",
        metadata,
        _key("run_id", sa.String),
        _key("kind", sa.String),
        _must("round_no", sa.Integer),
        _must("file_name", sa.String),
        _must("sha256", sa.String),
        _must("num_bytes", sa.BigInteger),
        _may("cpm", sa.Float),
        _may("auc", sa.Float),
        _must("written_at", UtcTime),
    ),
    rows.PresenceRow: sa.Table(
        "presence",
        metadata,
        _key("kind", Words(rows.PresenceKind)),
        _key("name", sa.String),
        _must("state", sa.String),
        _must("last_seen_at", UtcTime),
    ),
    rows.EventRow: sa.Table(
        "events",
        metadata,
        _must("kind", sa.String),
        _must("text", sa.String),
        _may("run_id", sa.String),
        _may("site", sa.String),
        _may("user", sa.String),
        sa.Column("occurred_at", UtcTime, nullable=False, index=True),
        _key("event_id", sa.String),
    ),
}

ORDERED_BY: dict[type[Any], str] = {
    rows.SiteRow: "joined_at",
    rows.UserRow: "created_at",
    rows.SessionRow: "created_at",
    rows.RunRow: "started_at",
    rows.RoundRow: "round_no",
    rows.SiteRoundRow: "round_no",
    rows.MetricRow: "round_no",
    rows.CheckpointRow: "round_no",
    rows.PresenceRow: "last_seen_at",
    rows.EventRow: "occurred_at",
}
"""The column by which rows of a kind are in order, oldest first."""
