"""Rows of a small run with times to be reckoned in the head, and the page that a viewer gets of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fl_monitor.access import limit_runs, limit_to
from fl_monitor.blocks import Block, Cell, Page
from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import RunRows, Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views import VIEWS
from fl_monitor.views.seen import Seen
from fl_store.metrics import Metric
from fl_store.rows import PresenceRow
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import Role, RunState, SiteRoundState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RANKS = {"north": 0, "south": 1}
ANALYST = Viewer("anna", Role.ANALYST)
NORTH = Viewer("nora", Role.CLIENT, "north")
RUN = RunRow("run-1", "Pilot", RunState.RUNNING, num_rounds=4, config={}, started_at=NOON)
ROUND = RoundRow("run-1", 1, NOON, NOON + timedelta(seconds=20))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def part(site: str, round_no: int = 1, **changes: Any) -> SiteRoundRow:
    """Return a site's part of a round: 6 s of training until 8 s, 2 s of evaluation from 10 to 14 s."""
    known: dict[str, Any] = {
        "state": SiteRoundState.DONE,
        "train_sent_at": NOON,
        "train_received_at": at(8),
        "evaluate_sent_at": at(10),
        "evaluate_received_at": at(14),
        "train_s": 6.0,
        "evaluate_s": 2.0,
        "bytes_down": 2_000_000,
        "bytes_up": 1_000_000,
        "num_examples": 120,
    }
    return SiteRoundRow("run-1", round_no, site, **(known | changes))


def score(site: str, metric: Metric, value: float | None, round_no: int = 1, **more: Any) -> MetricRow:
    return MetricRow("run-1", round_no, site, metric, value, more.pop("num_examples", 9), NOON, **more)


def run_of(*parts: SiteRoundRow, rounds: Sequence[RoundRow] = (ROUND,), **more: Any) -> RunRows:
    return RunRows(RUN, tuple(rounds), parts, **more)


def look(
    name: str,
    viewer: Viewer,
    run: RunRows | None = None,
    *,
    tables: dict[type[Any], tuple[Any, ...]] | None = None,
    presence: tuple[PresenceRow, ...] = (),
    params: dict[str, str] | None = None,
) -> Page:
    """Return a page as the viewer gets it, after what the viewer may not see was left out."""
    snapshot = Snapshot(NOON, run, presence, (), 0, RANKS, tables=tables or {})
    runs = ChosenRuns(missing=tuple((params or {}).values()))
    return VIEWS[name].make(
        Seen(viewer, limit_to(viewer, snapshot), limit_runs(viewer, runs, snapshot), params or {})
    )


def blocks_of(page: Page) -> dict[str, Any]:
    blocks: list[Block] = [block for part in page.parts for block in part.make(*part.sources)]
    return {block.name: block for block in blocks}


def words(line: tuple[Cell | str, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]
