"""The report of one run: a single HTML file that needs no server and no network to be read."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from fl_core.errors import UsageError
from fl_monitor.assets import plotly_script, read_static
from fl_monitor.figures import chart_data, make_charts, site_colors
from fl_monitor.snapshot import RunRows, rank_sites
from fl_monitor.summary import describe_run, federation_metrics, key_figures
from fl_monitor.wording import DASH, count_text, number_text
from fl_store.base import Store
from fl_store.rows import (
    CheckpointRow,
    Metric,
    MetricRow,
    RoundRow,
    RunRow,
    SiteRoundRow,
    SiteRoundState,
    SiteRow,
)

Rows = Iterable[Iterable[str]]


def write_report(store: Store, run_id: str, path: Path) -> None:
    """Write the report of a run; the file is there whole or not at all.

    Raises UsageError if there is no such run or the file cannot be written, StoreError if the store
    cannot be read.
    """
    text = make_report(read_run(store, run_id), store.get(CheckpointRow, run_id=run_id), store.get(SiteRow))
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write the report {path}: {error.strerror}.") from error


def read_run(store: Store, run_id: str) -> RunRows:
    """Read one run with all its rounds; UsageError if there is none of that id."""
    found = store.get(RunRow, run_id=run_id)
    if not found:
        known = ", ".join(run.run_id for run in reversed(store.get(RunRow, newest=3)))
        raise UsageError(f"There is no run '{run_id}'. The newest runs are: {known or 'none yet'}.")
    return RunRows(
        run=found[0],
        rounds=tuple(store.get(RoundRow, run_id=run_id)),
        site_rounds=tuple(store.get(SiteRoundRow, run_id=run_id)),
        metrics=tuple(store.get(MetricRow, run_id=run_id)),
    )


def make_report(rows: RunRows, checkpoints: Iterable[CheckpointRow], sites: Iterable[SiteRow]) -> str:
    """Return the report as HTML."""
    ranks = rank_sites(rows)
    charts = {"charts": chart_data(make_charts(rows, ranks)), "colors": site_colors(ranks)}
    tables = [
        _table("Rounds", _ROUND_HEADS, _round_lines(rows), kind="fl-numbers"),
        _table("Sites", _SITE_HEADS, _site_lines(rows, sites), kind="fl-numbers"),
        _table("Checkpoints", _CHECKPOINT_HEADS, _checkpoint_lines(checkpoints)),
        _table("Settings", ("Key", "Value"), _setting_lines(rows.run.config)),
    ]
    return Template(read_static("report.html")).substitute(
        title=escape(f"{rows.run.name}: FedLuna report"),
        heading=_heading(rows),
        key_figures=_key_figures(rows),
        tables="\n".join(tables),
        charts=json.dumps(charts, allow_nan=False).replace("<", "\\u003c"),
        style=read_static("board.css"),
        script=read_static("charts.js"),
        plotly=plotly_script().read_text(encoding="utf-8"),
    )


def _heading(rows: RunRows) -> str:
    head = describe_run(rows)
    ended = f"ended {head.ended_at:%Y-%m-%d %H:%M:%S} UTC" if head.ended_at else "not ended"
    times = f"Run {head.run_id}, started {head.started_at:%Y-%m-%d %H:%M:%S} UTC, {ended}."
    reason = f"{head.reason} " if head.reason else ""
    return (
        f'<p class="fl-run">{escape(head.run_name)}</p><h1>{escape(head.words)}</h1>'
        f'<p class="fl-sub">{escape(reason + times)}</p>'
    )


def _key_figures(rows: RunRows) -> str:
    cells = [
        f'<div class="fl-figure"><p class="fl-label">{escape(figure.label)}</p>'
        f'<p class="fl-value">{escape(figure.value)}</p>'
        f'<p class="fl-note">{escape(figure.of_round)}</p></div>'
        for figure in key_figures(rows)
    ]
    return f'<section class="fl-figures">{"".join(cells)}</section>'


def _table(title: str, heads: Iterable[str], lines: Rows, *, kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>" for line in lines)
    if not body:
        return f'<section class="fl-card"><h3>{escape(title)}</h3><p class="fl-note">None.</p></section>'
    return (
        f'<section class="fl-card"><h3>{escape(title)}</h3><div class="fl-scroll" tabindex="0">'
        f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )


_ROUND_HEADS = ("Round", "Time (s)", "AUC", "CPM", "Validation loss", "Training loss", "Training examples")


def _round_lines(rows: RunRows) -> Rows:
    for row in rows.rounds:
        found = federation_metrics(rows, row.round_no)
        trained = found.get(Metric.TRAIN_LOSS)
        seconds = (row.ended_at - row.started_at).total_seconds() if row.ended_at else None
        yield (
            str(row.round_no),
            number_text(seconds, digits=1),
            *(_value_text(found, metric) for metric in _ROUND_METRICS),
            count_text(trained.num_examples if trained else None),
        )


_ROUND_METRICS = (Metric.AUC, Metric.CPM, Metric.VALIDATION_LOSS, Metric.TRAIN_LOSS)


def _value_text(found: Mapping[Metric, MetricRow], metric: Metric) -> str:
    return number_text(found[metric].value if metric in found else None)


_SITE_HEADS = (
    "Site",
    "Training scans",
    "Validation scans",
    "Rounds done",
    "Last AUC",
    "Last CPM",
    "Training time (s)",
    "Received (MB)",
    "Sent (MB)",
)


def _site_lines(rows: RunRows, sites: Iterable[SiteRow]) -> Rows:
    known = {row.site: row for row in sites}
    for site in rank_sites(rows):
        done = [row for row in rows.site_rounds if row.site == site]
        last = {row.metric: row for row in rows.metrics if row.site == site}
        yield (
            site,
            count_text(known[site].num_train_scans if site in known else None),
            count_text(known[site].num_validation_scans if site in known else None),
            count_text(sum(row.state is SiteRoundState.DONE for row in done)),
            _value_text(last, Metric.AUC),
            _value_text(last, Metric.CPM),
            number_text(sum(row.train_s or 0.0 for row in done), digits=1),
            number_text(sum(row.bytes_down for row in done) / 1e6, digits=1),
            number_text(sum(row.bytes_up for row in done) / 1e6, digits=1),
        )


_CHECKPOINT_HEADS = ("Kind", "Round", "File", "Size (MB)", "AUC", "CPM", "sha256")


def _checkpoint_lines(checkpoints: Iterable[CheckpointRow]) -> Rows:
    for row in checkpoints:
        yield (
            row.kind,
            str(row.round_no),
            row.file_name,
            number_text(row.num_bytes / 1e6, digits=1),
            number_text(row.auc),
            number_text(row.cpm),
            row.sha256,
        )


def _setting_lines(config: Mapping[str, Any], prefix: str = "") -> Rows:
    """Write nested settings as dotted keys, as in the configuration's own error messages."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _setting_lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", DASH if value is None else str(value)
