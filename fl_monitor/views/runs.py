"""The Runs page: the runs so far, and up to five of them side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from fl_monitor.blocks import Block, Cell, Column, Header, Note, Page, Part, Table
from fl_monitor.figures.runs import MOST_SMOOTHING, compare_charts, run_colors
from fl_monitor.language import gettext as _
from fl_monitor.language import ngettext
from fl_monitor.library import ChosenRuns
from fl_monitor.run_requests import asked_words, find_open_request
from fl_monitor.snapshot import Snapshot
from fl_monitor.summary import RUN_TONES, run_state_text
from fl_monitor.views.run_numbers import list_last_numbers
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH, number_text
from fl_store.run_rows import CheckpointRow, RunRequestRow, RunRow

BEST, LAST = "best", "last"


@dataclass(frozen=True)
class History:
    """What the list of runs is made of, oldest first; ``newest_round`` is the newest run's last finished."""

    runs: tuple[RunRow, ...]
    models: tuple[CheckpointRow, ...]
    requests: tuple[RunRequestRow, ...]
    newest_round: int | None


def make(seen: Seen) -> Page:
    """Put the runs so far and those that were chosen into words and charts."""
    history = _read_history(seen.snapshot)
    return Page(
        Header(_("Runs"), text=_count_text(len(history.runs))),
        (
            Part((seen.runs, read_smoothing(seen.params)), _compare),
            Part((history, seen.params.get("find", "")), lambda *sources: [list_runs(*sources)]),
        ),
        run_colors(seen.runs.compared),
    )


def read_smoothing(params: Mapping[str, str]) -> float:
    """Return the smoothing that an address asks for: none if what it says is no number."""
    try:
        asked = float(params.get("smooth", "0"))
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), MOST_SMOOTHING) if math.isfinite(asked) else 0.0


def _count_text(number: int) -> str:
    return ngettext("{number} run so far.", "{number} runs so far.", number).format(number=number)


def _read_history(snapshot: Snapshot) -> History:
    return History(
        snapshot.table(RunRow),
        snapshot.table(CheckpointRow),
        snapshot.table(RunRequestRow),
        snapshot.run.last_finished_round if snapshot.run else None,
    )


def _compare(runs: ChosenRuns, smoothing: float) -> list[Block]:
    """Lay the chosen runs side by side, and say which are not there."""
    blocks: list[Block] = []
    if runs.missing:
        text = _("There is no run {run_id}, or no longer.").format(run_id=", ".join(runs.missing))
        blocks.append(Note("missing", "", text=text, tone="warn"))
    if not runs.compared:
        return blocks
    ids = [rows.run.run_id for rows in runs.compared]
    return [
        *blocks,
        *compare_charts(runs.compared, smoothing),
        list_last_numbers(runs.compared),
        _list_exports(ids),
    ]


def _list_exports(ids: Sequence[str]) -> Table:
    query = urlencode({"p_runs": ",".join(ids)})
    return Table(
        "exports",
        _("All numbers of these runs, by round and site"),
        lines=(
            (Cell(_("CSV, for spreadsheets"), href=f"/api/export/runs.csv?{query}"),),
            (Cell(_("JSON, for programs"), href=f"/api/export/runs.json?{query}"),),
        ),
    )


def list_runs(history: History, find: str) -> Table:
    """List the runs whose name, id or state holds all words of a text, the newest first."""
    words = find.casefold().split()
    shown = [run for run in reversed(history.runs) if _holds_all(run, words)]
    note = _("{number} of {total} runs match.").format(number=len(shown), total=len(history.runs))
    return Table(
        "runs",
        _("Runs so far"),
        columns=(
            Column(_("Run")),
            Column(_("Id")),
            Column(_("State")),
            Column(_("Started")),
            Column(_("Duration")),
            Column(_("Rounds"), is_number=True),
            Column(_("Last CPM · AUC (round)"), is_number=True),
            Column(_("Best CPM · AUC (round)"), is_number=True),
            Column(_("Reason")),
        ),
        lines=tuple(_run_line(run, history) for run in shown),
        empty=_("No run matches {text}.").format(text=find) if words else _("No run yet."),
        note=note if words else "",
    )


def _holds_all(run: RunRow, words: Sequence[str]) -> bool:
    text = f"{run.name} {run.run_id} {run.state} {run_state_text(run.state)}".casefold()
    return all(word in text for word in words)


def _run_line(run: RunRow, history: History) -> tuple[Cell | str, ...]:
    models = {row.kind: row for row in history.models if row.run_id == run.run_id}
    rounds_done = models[LAST].round_no if LAST in models else 0
    if run is history.runs[-1]:
        rounds_done = max(rounds_done, history.newest_round or 0)
    return (
        Cell(run.name, href=f"/rounds?run={quote(run.run_id, safe='')}"),
        run.run_id,
        Cell(_state_text(run, history.requests), tone=RUN_TONES[run.state]),
        Cell("", at=run.started_at),
        _duration_cell(run),
        f"{rounds_done} / {run.num_rounds}",
        _model_text(models.get(LAST)),
        _model_text(models.get(BEST)),
        Cell(run.reason or ""),
    )


def _state_text(run: RunRow, requests: Sequence[RunRequestRow]) -> str:
    asked = find_open_request(run, requests)
    state = run_state_text(run.state)
    return f"{state}, {asked_words(asked.request)}" if asked else state


def _duration_cell(run: RunRow) -> Cell:
    """Say how long a run took, or when it began; the browser keeps that up to date."""
    if run.ended_at:
        return Cell(duration_text(run.ended_at - run.started_at))
    return Cell(DASH) if run.state.is_over else Cell(_("began"), at=run.started_at, is_age=True)


def duration_text(duration: timedelta) -> str:
    """Write a time as the scripts do."""
    seconds = round(duration.total_seconds())
    if seconds < 60:
        return _("{n} s").format(n=seconds)
    if seconds < 3600:
        return _("{n} min").format(n=round(seconds / 60))
    if seconds < 48 * 3600:
        return _("{n} h {m} min").format(n=seconds // 3600, m=seconds % 3600 // 60)
    return _("{n} days").format(n=round(seconds / 86400))


def _model_text(row: CheckpointRow | None) -> str:
    return f"{number_text(row.cpm)} · {number_text(row.auc)} ({row.round_no})" if row else DASH
