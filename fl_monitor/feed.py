"""What the Live page polls: words and charts as JSON, each sent again only when it has changed.

All viewers who may see the same sites share one answer.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from fl_monitor.access import limit_to
from fl_monitor.board import summarize
from fl_monitor.figures import chart_data, make_charts, site_colors
from fl_monitor.snapshot import RunRows, Snapshot


@dataclass(frozen=True)
class View:
    """One scope's answer: two JSON texts, each with the version it is known by."""

    snapshot: Snapshot
    charted: tuple[RunRows | None, Mapping[str, int]]
    board: str
    charts: str
    board_version: str
    charts_version: str

    @property
    def version(self) -> str:
        """What the browser sends back to say what it has."""
        return f"{self.board_version}.{self.charts_version}"


class Feed:
    """Answers polls from the newest snapshot; asks nothing of the store."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._lock = threading.Lock()

    def answer(self, snapshot: Snapshot, scope: str, known_version: str) -> str | None:
        """Return JSON with ``version``, and ``board`` or ``charts`` if they are new; None if neither is."""
        with self._lock:
            view = self._view(snapshot, scope)
        if view.version == known_version:
            return None
        known_board, _, known_charts = known_version.partition(".")
        parts = [f'"version":"{view.version}"']
        if view.board_version != known_board:
            parts.append(f'"board":{view.board}')
        if view.charts_version != known_charts:
            parts.append(f'"charts":{view.charts}')
        return "{" + ",".join(parts) + "}"

    def _view(self, snapshot: Snapshot, scope: str) -> View:
        last = self._views.get(scope)
        if last is None or last.snapshot is not snapshot:
            self._views[scope] = make_view(snapshot, scope, last)
        return self._views[scope]


def make_view(snapshot: Snapshot, scope: str, last: View | None = None) -> View:
    """Write one scope's answer; the charts of the last one are kept if their rows are the same."""
    seen = limit_to(scope, snapshot)
    board = _json({**asdict(summarize(seen)), "colors": site_colors(seen.site_ranks)})
    charted = (seen.run, seen.site_ranks)
    if last is not None and last.charted == charted:
        charts = last.charts
    else:
        charts = _json(chart_data(make_charts(seen.run, seen.site_ranks)) if seen.run else [])
    return View(snapshot, charted, board, charts, _version_of(board), _version_of(charts))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_time_text)


def _time_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent to the browser")


def _version_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
