"""The tables behind the rows, in SQLAlchemy; column names are the field names of ``rows``.

The same tables in Postgres are in ``supabase/migrations``; a test holds the two against each other.
"""

from typing import Any

import sqlalchemy as sa

from fl_store import rows
from fl_store.columns import Document, Number, Text, UtcTime, Words

SCHEMA_VERSION = 5

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
        _may("version", Text),
    ),
    rows.SiteAccessRow: sa.Table(
        "site_access",
        metadata,
        _key("site", Text),
        _must("is_allowed", sa.Boolean),
        _must("changed_by", Text),
        _must("changed_at", UtcTime),
        _may("reason", Text),
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
    rows.RunRequestRow: sa.Table(
        "run_requests",
        metadata,
        _must("run_id", Text),
        _must("request", Words(rows.RunRequest)),
        _must("requested_by", Text),
        _must("requested_at", UtcTime),
        _key("request_id", Text),
        sa.Index("run_requests_of_run_by_time", "run_id", "requested_at"),
    ),
    rows.DataCardRow: sa.Table(
        "data_cards",
        metadata,
        _key("site", Text),
        _must("card", Document),
        _must("received_at", UtcTime),
    ),
    rows.DataShiftRow: sa.Table(
        "data_shifts",
        metadata,
        _key("site", Text),
        _key("other_site", Text),
        _key("histogram", Text),
        _may("distance", Number),
        _may("by_chance", Number),
        _must("recorded_at", UtcTime),
    ),
    rows.ComparisonRow: sa.Table(
        "comparisons",
        metadata,
        _key("comparison_id", Text),
        _must("document", Document),
        _must("added_at", UtcTime),
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
        _may("train_began_at", UtcTime),
        _may("evaluate_began_at", UtcTime),
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
        _may("interval_low", Number),
        _may("interval_high", Number),
        sa.CheckConstraint("value is null or not_finite is null", name="not_finite_has_no_value"),
    ),
    rows.CurveRow: sa.Table(
        "curves",
        metadata,
        _key("run_id", Text),
        _key("round_no", sa.Integer),
        _key("site", Text),
        _key("curve", Words(rows.Curve)),
        _must("points", Document),
        _must("recorded_at", UtcTime),
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
    rows.UploadRow: sa.Table(
        "uploads",
        metadata,
        _key("upload_id", Text),
        _must("user", Text),
        _must("label", Text),
        _must("num_bytes", sa.BigInteger),
        _must("num_bytes_received", sa.BigInteger),
        _must("state", Words(rows.UploadState)),
        _must("started_at", UtcTime),
        _must("changed_at", UtcTime),
        _may("reason", Text),
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
    rows.AuditRow: sa.Table(
        "audit",
        metadata,
        _key("chain", Text),
        _key("entry_no", sa.Integer),
        _must("table_name", Text),
        _must("document", Text),
        _must("recorded_at", UtcTime),
        _must("previous_hash", Text),
        _must("hash", Text),
        sa.Index("audit_by_number", "entry_no"),
    ),
}
"""The table of each kind of row. A store that is filled in this order never shows an end before what it
ends: the numbers of a round are there before the row that says it is over."""

ROW_TYPES = {table.name: row_type for row_type, table in TABLES.items()}

NEVER_CHANGED = frozenset({rows.AuditRow, rows.EventRow, rows.RunRequestRow})
"""A row of these stays as it was first written, whoever writes another one under its key."""

ORDERED_BY: dict[type[Any], str] = {
    rows.SiteRow: "joined_at",
    rows.SiteAccessRow: "changed_at",
    rows.UserRow: "created_at",
    rows.SessionRow: "created_at",
    rows.LoginAttemptRow: "attempted_at",
    rows.RunRow: "started_at",
    rows.RunRequestRow: "requested_at",
    rows.DataCardRow: "site",
    rows.DataShiftRow: "site",
    rows.ComparisonRow: "added_at",
    rows.SiteRoundRow: "round_no",
    rows.MetricRow: "round_no",
    rows.CurveRow: "round_no",
    rows.RoundRow: "round_no",
    rows.CheckpointRow: "round_no",
    rows.PresenceRow: "last_seen_at",
    rows.UploadRow: "started_at",
    rows.EventRow: "occurred_at",
    rows.AuditRow: "entry_no",
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
