"""The tables behind the rows, in SQLAlchemy; column names are the field names of ``rows``.

The same tables in Postgres are in ``supabase/migrations``; a test holds the two against each other.
"""

from typing import Any

import sqlalchemy as sa

from fl_store import metrics, rows, run_rows, words
from fl_store.columns import Document, Number, Text, UtcTime, Words, is_ordering, key, may, must

SCHEMA_VERSION = 5

metadata = sa.MetaData()


TABLES: dict[type[Any], sa.Table] = {
    rows.SiteRow: sa.Table(
        "sites",
        metadata,
        key("site", Text),
        must("node_id", Text),
        must("num_train_scans", sa.Integer),
        must("num_validation_scans", sa.Integer),
        must("first_seen_at", UtcTime),
        must("joined_at", UtcTime, orders=True),
        may("version", Text),
    ),
    rows.SiteAccessRow: sa.Table(
        "site_access",
        metadata,
        key("site", Text),
        must("is_allowed", sa.Boolean),
        must("changed_by", Text),
        must("changed_at", UtcTime, orders=True),
        may("reason", Text),
    ),
    rows.UserRow: sa.Table(
        "users",
        metadata,
        key("name", Text),
        must("password_hash", Text),
        must("role", Words(words.Role)),
        may("site", Text),
        must("is_disabled", sa.Boolean),
        must("created_at", UtcTime, orders=True),
        must("changed_at", UtcTime),
        sa.CheckConstraint("password_hash like '$2b$__$%' and length(password_hash) = 60", name="is_bcrypt"),
        sa.CheckConstraint("(role = 'client') = (site is not null)", name="only_clients_have_a_site"),
    ),
    rows.SessionRow: sa.Table(
        "sessions",
        metadata,
        key("token_hash", Text),
        must("user", Text),
        must("created_at", UtcTime, orders=True),
        must("seen_at", UtcTime),
        must("expires_at", UtcTime),
        may("ended_at", UtcTime),
    ),
    rows.LoginAttemptRow: sa.Table(
        "login_attempts",
        metadata,
        may("user", Text),
        may("address", Text),
        must("is_accepted", sa.Boolean),
        must("attempted_at", UtcTime, orders=True),
        key("attempt_id", Text),
        sa.Index("login_attempts_by_time", "attempted_at"),
    ),
    run_rows.RunRow: sa.Table(
        "runs",
        metadata,
        key("run_id", Text),
        must("name", Text),
        must("state", Words(words.RunState)),
        must("num_rounds", sa.Integer),
        must("config", Document),
        must("started_at", UtcTime, orders=True),
        may("ended_at", UtcTime),
        may("reason", Text),
    ),
    run_rows.RunRequestRow: sa.Table(
        "run_requests",
        metadata,
        must("run_id", Text),
        must("request", Words(words.RunRequest)),
        must("requested_by", Text),
        must("requested_at", UtcTime, orders=True),
        key("request_id", Text),
        sa.Index("run_requests_of_run_by_time", "run_id", "requested_at"),
    ),
    rows.DataCardRow: sa.Table(
        "data_cards",
        metadata,
        key("site", Text, orders=True),
        must("card", Document),
        must("received_at", UtcTime),
    ),
    rows.DataShiftRow: sa.Table(
        "data_shifts",
        metadata,
        key("site", Text, orders=True),
        key("other_site", Text),
        key("histogram", Text),
        may("distance", Number),
        may("by_chance", Number),
        must("recorded_at", UtcTime),
    ),
    rows.ComparisonRow: sa.Table(
        "comparisons",
        metadata,
        key("comparison_id", Text),
        must("document", Document),
        must("added_at", UtcTime, orders=True),
    ),
    run_rows.SiteRoundRow: sa.Table(
        "site_rounds",
        metadata,
        key("run_id", Text),
        key("round_no", sa.Integer, orders=True),
        key("site", Text),
        must("state", Words(words.SiteRoundState)),
        must("train_sent_at", UtcTime),
        may("train_received_at", UtcTime),
        may("evaluate_sent_at", UtcTime),
        may("evaluate_received_at", UtcTime),
        may("train_s", Number),
        may("evaluate_s", Number),
        must("bytes_down", sa.BigInteger),
        must("bytes_up", sa.BigInteger),
        may("num_examples", sa.BigInteger),
        may("update_norm", Number),
        may("update_cosine", Number),
        may("reason", Text),
        may("train_began_at", UtcTime),
        may("evaluate_began_at", UtcTime),
    ),
    run_rows.MetricRow: sa.Table(
        "metrics",
        metadata,
        key("run_id", Text),
        key("round_no", sa.Integer, orders=True),
        key("site", Text),
        key("metric", Words(metrics.Metric)),
        may("value", Number),
        may("num_examples", sa.BigInteger),
        must("recorded_at", UtcTime),
        may("not_finite", Words(metrics.NotFinite)),
        may("interval_low", Number),
        may("interval_high", Number),
        sa.CheckConstraint("value is null or not_finite is null", name="not_finite_has_no_value"),
    ),
    run_rows.CurveRow: sa.Table(
        "curves",
        metadata,
        key("run_id", Text),
        key("round_no", sa.Integer, orders=True),
        key("site", Text),
        key("curve", Words(metrics.Curve)),
        must("points", Document),
        must("recorded_at", UtcTime),
    ),
    run_rows.RoundRow: sa.Table(
        "rounds",
        metadata,
        key("run_id", Text),
        key("round_no", sa.Integer, orders=True),
        must("started_at", UtcTime),
        may("ended_at", UtcTime),
    ),
    run_rows.CheckpointRow: sa.Table(
        "checkpoints",
        metadata,
        key("run_id", Text),
        key("kind", Text),
        must("round_no", sa.Integer, orders=True),
        must("file_name", Text),
        must("sha256", Text),
        must("num_bytes", sa.BigInteger),
        may("cpm", Number),
        may("auc", Number),
        must("written_at", UtcTime),
    ),
    rows.PresenceRow: sa.Table(
        "presence",
        metadata,
        key("kind", Words(words.PresenceKind)),
        key("name", Text),
        must("state", Text),
        must("last_seen_at", UtcTime, orders=True),
    ),
    rows.UploadRow: sa.Table(
        "uploads",
        metadata,
        key("upload_id", Text),
        must("user", Text),
        must("label", Text),
        must("num_bytes", sa.BigInteger),
        must("num_bytes_received", sa.BigInteger),
        must("state", Words(words.UploadState)),
        must("started_at", UtcTime, orders=True),
        must("changed_at", UtcTime),
        may("reason", Text),
    ),
    rows.EventRow: sa.Table(
        "events",
        metadata,
        must("kind", Text),
        must("text", Text),
        may("run_id", Text),
        may("site", Text),
        may("user", Text),
        must("occurred_at", UtcTime, orders=True),
        key("event_id", Text),
        sa.Index("events_by_time", "occurred_at"),
        sa.Index("events_of_run_by_time", "run_id", "occurred_at"),
    ),
    rows.AuditRow: sa.Table(
        "audit",
        metadata,
        key("chain", Text),
        key("entry_no", sa.Integer, orders=True),
        must("table_name", Text),
        must("document", Text),
        must("recorded_at", UtcTime),
        must("previous_hash", Text),
        must("hash", Text),
        sa.Index("audit_by_number", "entry_no"),
    ),
}
"""The table of each kind of row. A store that is filled in this order never shows an end before what it
ends: the numbers of a round are there before the row that says it is over."""

ROW_TYPES = {table.name: row_type for row_type, table in TABLES.items()}

NEVER_CHANGED = frozenset({rows.AuditRow, rows.EventRow, run_rows.RunRequestRow})
"""A row of these stays as it was first written, whoever writes another one under its key."""

ORDERED_BY = {
    row_type: next(column.name for column in table.c if is_ordering(column))
    for row_type, table in TABLES.items()
}
"""The column by which rows of a kind are in order, oldest first."""
