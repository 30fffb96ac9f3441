"""What an entry of the audit log says, in words for the coordinator's terminal."""

import json
from dataclasses import dataclass
from typing import Any

from fl_store.rows import AuditRow, EventRow, LoginAttemptRow, SiteAccessRow, UserRow
from fl_store.schema import TABLES

EVENTS, LOGINS, ACCESS, ACCOUNTS = (
    TABLES[row_type].name for row_type in (EventRow, LoginAttemptRow, SiteAccessRow, UserRow)
)


@dataclass(frozen=True)
class Deed:
    """What was done, of which kind, and by whom if the entry tells."""

    kind: str
    text: str
    who: str = "-"


def read_deed(entry: AuditRow) -> Deed:
    """Return what an entry tells; one that nobody can read, as after a change by hand, says so."""
    try:
        return _describe(entry.table_name, json.loads(entry.document))
    except (ValueError, KeyError, TypeError):
        return Deed(entry.table_name, "This entry cannot be read; `fl-server audit verify` says more.")


def _describe(table_name: str, row: dict[str, Any]) -> Deed:
    if table_name == EVENTS:
        return Deed(row["kind"], row["text"], row["user"] or "-")
    if table_name == LOGINS:
        word = "A login" if row["is_accepted"] else "A login that was refused"
        return Deed("login", f"{word}, from {row['address'] or 'an unknown address'}.", row["user"] or "-")
    if table_name == ACCESS:
        may = "may take part" if row["is_allowed"] else "may not take part"
        reason = f": {row['reason']}" if row["reason"] else "."
        return Deed("site_access", f"Site '{row['site']}' {may}{reason}", row["changed_by"])
    if table_name == ACCOUNTS:
        role = f"{row['role']} of {row['site']}" if row["site"] else row["role"]
        may = "may not log in" if row["is_disabled"] else "may log in"
        return Deed("account", f"The account '{row['name']}' was written: {role}, {may}.")
    return Deed(table_name, json.dumps(row))
