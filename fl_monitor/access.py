"""What a user may see: everything, or one's own site, the federation as a whole, and peers without a name.

Rows are left out here, on the server; what a browser must not show never reaches it. Of another site, a
hospital sees the scores and the state, under a number that says nothing about which one it is.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import RunRows, Snapshot
from fl_monitor.viewer import Viewer
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import (
    ComparisonRow,
    DataCardRow,
    DataShiftRow,
    EventRow,
    LoginAttemptRow,
    PresenceRow,
    SiteAccessRow,
    SiteRow,
    UploadRow,
)
from fl_store.run_rows import (
    CheckpointRow,
    CurveRow,
    MetricRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.words import PresenceKind, Role

PEER = "~"
"""Begins the name under which a hospital sees another; no site's own name does."""
UNTOLD_REASON = "The coordinator knows the reason."
_SALT = secrets.token_bytes(16)


def limit_to(viewer: Viewer, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot as this viewer may see it."""
    tables = {kind: _limit_table(viewer, kind, rows) for kind, rows in snapshot.tables.items()}
    events = tuple(event for event in snapshot.events if _is_of(viewer, event.user))
    seen = replace(snapshot, tables=tables, events=events)
    if not viewer.is_client:
        return seen
    peers = name_peers(set(snapshot.site_ranks) - {viewer.site})
    return replace(
        seen,
        run=limit_run(viewer, snapshot.run, peers) if snapshot.run else None,
        presence=tuple(_limit_presence(row, peers) for row in snapshot.presence),
        events=tuple(event for event in events if _may_read(viewer, event, peers)),
        site_ranks={site: rank for site, rank in snapshot.site_ranks.items() if site == viewer.site},
        tables={kind: _hide_named(viewer, rows, peers) for kind, rows in tables.items()},
    )


def limit_runs(viewer: Viewer, runs: ChosenRuns, snapshot: Snapshot) -> ChosenRuns:
    """Return runs of the past as this viewer may see them."""
    if not viewer.is_client:
        return runs

    def limit(rows: RunRows) -> RunRows:
        known = {
            *snapshot.site_ranks,
            *(row.site for row in rows.metrics),
            *(row.site for row in rows.site_rounds),
        }
        return limit_run(viewer, rows, name_peers(known - {viewer.site, FEDERATION}))

    whole = limit(runs.whole) if runs.whole else None
    return replace(runs, whole=whole, compared=tuple(map(limit, runs.compared)))


def name_peers(sites: Collection[str]) -> dict[str, str]:
    """Give sites numbers in an order that nobody can work out, for as long as this process runs."""
    shuffled = sorted(sites, key=lambda site: hashlib.sha256(_SALT + site.encode()).digest())
    return {site: f"{PEER}{number}" for number, site in enumerate(shuffled, start=1)}


def limit_run(viewer: Viewer, rows: RunRows, peers: Mapping[str, str]) -> RunRows:
    """Return the rows of one run as a hospital may see them, ``peers`` by their numbers."""
    own = {viewer.site, FEDERATION}
    return replace(
        rows,
        run=_hide_reason(rows.run, peers),
        site_rounds=tuple(_limit_part(row, peers) for row in rows.site_rounds),
        metrics=tuple(_limit_metric(row, peers) for row in rows.metrics if row.site in own or _is_open(row)),
        curves=tuple(row for row in rows.curves if row.site in own),
    )


_OPEN_METRICS = {Metric.AUC, Metric.CPM, Metric.VALIDATION_LOSS, Metric.TRAIN_LOSS}


def _is_open(row: MetricRow) -> bool:
    return row.metric in _OPEN_METRICS


def _limit_metric(row: MetricRow, peers: Mapping[str, str]) -> MetricRow:
    """Leave a peer its score; how many it is of could tell which site it is."""
    if row.site not in peers:
        return row
    return replace(row, site=peers[row.site], num_examples=None, interval_low=None, interval_high=None)


def _limit_part(row: SiteRoundRow, peers: Mapping[str, str]) -> SiteRoundRow:
    """Leave a peer its state."""
    if row.site not in peers:
        return row
    return SiteRoundRow(row.run_id, row.round_no, peers[row.site], row.state, row.train_sent_at)


def _limit_presence(row: PresenceRow, peers: Mapping[str, str]) -> PresenceRow:
    if row.kind is not PresenceKind.SITE or row.name not in peers:
        return row
    return replace(row, name=peers[row.name])


def _may_read(viewer: Viewer, event: EventRow, peers: Collection[str]) -> bool:
    return event.site in {viewer.site, None} and not _names_any(event.text, peers)


def _limit_table(viewer: Viewer, kind: type[Any], rows: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the rows of a table that a viewer may see; of a table without a rule, the coordinator alone."""
    if viewer.role is Role.SERVER:
        return rows
    may_see = _RULES.get(kind)
    return tuple(row for row in rows if may_see(viewer, row)) if may_see else ()


_RULES: dict[type[Any], Callable[[Viewer, Any], bool]] = {
    RunRow: lambda _viewer, _row: True,
    CheckpointRow: lambda _viewer, _row: True,
    RunRequestRow: lambda viewer, _row: not viewer.is_client,
    SiteRow: lambda viewer, row: _is_at(viewer, row.site),
    SiteAccessRow: lambda viewer, row: _is_at(viewer, row.site),
    DataCardRow: lambda viewer, row: _is_at(viewer, row.site),
    DataShiftRow: lambda viewer, _row: not viewer.is_client,
    CurveRow: lambda viewer, row: _is_at(viewer, row.site) or row.site == FEDERATION,
    ComparisonRow: lambda _viewer, _row: True,
    EventRow: lambda viewer, row: _is_at(viewer, row.site or viewer.site) and _is_of(viewer, row.user),
    LoginAttemptRow: lambda viewer, row: row.user == viewer.name,
    UploadRow: lambda viewer, row: row.user == viewer.name,
}


def _is_at(viewer: Viewer, site: str | None) -> bool:
    return not viewer.is_client or site == viewer.site


def _is_of(viewer: Viewer, user: str | None) -> bool:
    """Say whether something that a user did may be seen: by the coordinator and by that user."""
    return user is None or viewer.role is Role.SERVER or user == viewer.name


def _hide_named(viewer: Viewer, rows: tuple[Any, ...], peers: Collection[str]) -> tuple[Any, ...]:
    """Take away what names another site within a row."""
    if rows and isinstance(rows[0], EventRow):
        return tuple(event for event in rows if not _names_any(event.text, peers))
    if rows and isinstance(rows[0], RunRow):
        return tuple(_hide_reason(run, peers) for run in rows)
    if rows and isinstance(rows[0], ComparisonRow):
        return tuple(replace(row, document=_own_gain(viewer, row.document)) for row in rows)
    return rows


def _hide_reason(run: RunRow, peers: Collection[str]) -> RunRow:
    return replace(run, reason=UNTOLD_REASON) if run.reason and _names_any(run.reason, peers) else run


def _own_gain(viewer: Viewer, document: Mapping[str, Any]) -> dict[str, Any]:
    return {"gains": [gain for gain in document["gains"] if gain["site"] == viewer.site]}


def _names_any(text: str, sites: Collection[str]) -> bool:
    """Say whether a text names one of these sites, as a whole word."""
    words = set(re.findall(r"[a-z0-9-]+", text.lower()))
    return not words.isdisjoint(sites)
