"""What a user may see: everything, or one's own site and the federation as a whole.

Rows are left out here, on the server; what a browser must not show never reaches it.
"""

import re
from collections.abc import Collection
from dataclasses import replace

from fl_monitor.snapshot import RunRows, Snapshot
from fl_store.rows import FEDERATION, EventRow, PresenceKind, Role, UserRow

ALL_SITES = "*"
UNTOLD_REASON = "The coordinator knows the reason."


def scope_of(user: UserRow) -> str:
    """Return the one site that a user may see, or ALL_SITES."""
    return (user.site or "") if user.role is Role.CLIENT else ALL_SITES


def limit_to(scope: str, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without the rows of sites outside the scope."""
    if scope == ALL_SITES:
        return snapshot
    hidden = set(snapshot.site_ranks) - {scope}
    return replace(
        snapshot,
        run=_limit_run(scope, snapshot.run, hidden) if snapshot.run else None,
        presence=tuple(row for row in snapshot.presence if _is_open(row.kind, row.name, scope)),
        events=tuple(event for event in snapshot.events if _may_read(event, scope, hidden)),
        site_ranks={site: rank for site, rank in snapshot.site_ranks.items() if site == scope},
    )


def _limit_run(scope: str, rows: RunRows, hidden: Collection[str]) -> RunRows:
    reason = rows.run.reason
    if reason and _names_any(reason, hidden):
        reason = UNTOLD_REASON
    return replace(
        rows,
        run=replace(rows.run, reason=reason),
        site_rounds=tuple(row for row in rows.site_rounds if row.site == scope),
        metrics=tuple(row for row in rows.metrics if row.site in {scope, FEDERATION}),
    )


def _is_open(kind: PresenceKind, name: str, scope: str) -> bool:
    return kind is PresenceKind.SERVER or (kind is PresenceKind.SITE and name == scope)


def _may_read(event: EventRow, scope: str, hidden: Collection[str]) -> bool:
    return event.site in {scope, None} and not _names_any(event.text, hidden)


def _names_any(text: str, sites: Collection[str]) -> bool:
    """Say whether a text names one of these sites, as a whole word."""
    words = set(re.findall(r"[a-z0-9-]+", text.lower()))
    return not words.isdisjoint(sites)
