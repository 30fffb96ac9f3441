"""The table of the outbox, which is in SQLite only and of no kind of row."""

import sqlalchemy as sa

from fl_store.columns import UtcTime, may, must
from fl_store.schema import metadata

OUTBOX = sa.Table(
    "outbox",
    metadata,
    sa.Column("entry_id", sa.Integer, primary_key=True),
    must("table_name", sa.Text),
    must("row_key", sa.Text),
    must("queued_at", UtcTime),
    may("refusal", sa.Text),
    sa.UniqueConstraint("table_name", "row_key"),
    sqlite_autoincrement=True,
)
"""Which rows of this store Supabase does not have yet; in SQLite only. A row that changes again gets a new
entry in place of the old one, with a new number. An entry with a ``refusal`` is parked."""
