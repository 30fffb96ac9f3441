"""The report of one run: a single HTML file that needs no server and no network to be read."""

import json
from html import escape
from pathlib import Path
from string import Template

from fl_core.errors import UsageError
from fl_monitor.assets import plotly_script, read_static
from fl_monitor.blocks import to_plain
from fl_monitor.figures.style import site_colors
from fl_monitor.language import gettext as _
from fl_monitor.library import read_run
from fl_monitor.script_words import words_of_scripts
from fl_monitor.snapshot import RunRows, rank_sites
from fl_monitor.summary import state_words
from fl_monitor.views.report import ReportRows, list_blocks
from fl_store.base import Store
from fl_store.rows import DataCardRow, DataShiftRow, SiteRow
from fl_store.run_rows import CheckpointRow, RunRow


def write_report(store: Store, run_id: str, path: Path) -> None:
    """Write the report of a run; the file is there whole or not at all.

    Raises UsageError if there is no such run or the file cannot be written, StoreError if the store
    cannot be read.
    """
    text = make_report(_read(store, run_id))
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write the report {path}: {error.strerror}.") from error


def _read(store: Store, run_id: str) -> ReportRows:
    run = read_run(store, run_id)
    if run is None:
        known = ", ".join(run.run_id for run in reversed(store.get(RunRow, newest=3)))
        raise UsageError(f"There is no run '{run_id}'. The newest runs are: {known or 'none yet'}.")
    return ReportRows(
        run,
        checkpoints=tuple(store.get(CheckpointRow, run_id=run_id)),
        sites=tuple(store.get(SiteRow)),
        cards=tuple(store.get(DataCardRow)),
        shifts=tuple(store.get(DataShiftRow)),
    )


def make_report(rows: ReportRows) -> str:
    """Return the report as HTML."""
    content = {
        "blocks": [to_plain(block) for block in list_blocks(rows)],
        "colors": site_colors(rank_sites(rows.run, sites=rows.sites)),
        "words": words_of_scripts(),
    }
    return Template(read_static("report.html")).substitute(
        title=escape(f"{rows.run.run.name}: FedLuna report"),
        heading=_heading(rows.run),
        content=json.dumps(content, allow_nan=False, default=str).replace("<", "\\u003c"),
        style=read_static("board.css"),
        script=read_static("charts.js") + read_static("blocks.js"),
        plotly=plotly_script().read_text(encoding="utf-8"),
    )


def _heading(rows: RunRows) -> str:
    run = rows.run
    ended = f"{run.ended_at:%Y-%m-%d %H:%M:%S} UTC" if run.ended_at else _("not ended")
    times = _("Run {run_id}, started {started}, ended: {ended}.").format(
        run_id=run.run_id, started=f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC", ended=ended
    )
    reason = f"{run.reason} " if run.reason else ""
    return (
        f'<p class="fl-run">{escape(run.name)}</p><h1>{escape(state_words(rows))}</h1>'
        f'<p class="fl-sub">{escape(reason + times)}</p>'
    )
