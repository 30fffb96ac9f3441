"""The charts of several runs side by side: the federation's numbers by round, one line a run."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.style import NO_COLOR, PALETTE, SYMBOLS, figure_by_rounds
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import number_text
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MOST_SMOOTHING = 0.95
RAW_OPACITY = 0.35
ROW_PX = 21
"""How much a line of the legend takes."""


def run_colors(runs: Sequence[RunRows]) -> dict[str, str]:
    """Return each run's colour by its id: by its place in the choice."""
    return {rows.run.run_id: PALETTE[place] for place, rows in enumerate(runs)}


def label_runs(runs: Sequence[RunRows]) -> dict[str, str]:
    """Return what each run is called by its id: its name, with the id where two have the same."""
    names = [rows.run.name for rows in runs]
    return {
        rows.run.run_id: f"{rows.run.name} ({rows.run.run_id})"
        if names.count(rows.run.name) > 1
        else rows.run.name
        for rows in runs
    }


def compare_charts(runs: Sequence[RunRows], smoothing: float) -> list[Chart]:
    """Draw the CPM, the AUC and the validation loss of runs by round.

    ``smoothing`` is the weight of what was before, 0 to MOST_SMOOTHING.
    """
    return [
        _chart(runs, Metric.CPM, smoothing, title=_("CPM"), axis=_("CPM, mean sensitivity (0 to 1)")),
        _chart(runs, Metric.AUC, smoothing, title=_("ROC AUC"), axis=_("ROC AUC (0 to 1)")),
        _chart(
            runs,
            Metric.VALIDATION_LOSS,
            smoothing,
            title=_("Validation loss"),
            axis=_("Loss (cross-entropy, nats)"),
        ),
    ]


def smooth(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Return exponential means, in which each earlier value counts ``weight`` times the one after it.

    The weights of the values so far are divided by their sum, so that the first mean is the first value and
    not drawn towards zero. A value that is not known stays so and changes nothing.
    """
    means: list[float | None] = []
    total = weights = 0.0
    for value in values:
        if value is None:
            means.append(None)
            continue
        total, weights = weight * total + value, weight * weights + 1
        means.append(total / weights)
    return means


def _chart(runs: Sequence[RunRows], metric: Metric, smoothing: float, *, title: str, axis: str) -> Chart:
    points = {rows.run.run_id: _points(rows, metric) for rows in runs}
    name = f"runs-{metric}"
    if not any(points.values()):
        return Chart(name, title, empty=_("No round of these runs is over yet."), width=2)
    last_round = max(row.round_no for found in points.values() for row in found)
    figure = figure_by_rounds(last_round, revision=",".join(points))
    labels = label_runs(runs)
    for place, (run_id, found) in enumerate(points.items()):
        figure.add_traces(_lines(found, labels[run_id], place, smoothing))
    figure.update_yaxes(title=axis)
    figure.update_layout(showlegend=True, legend=_LEGEND, height=300 + ROW_PX * len(runs))
    alt = _describe(title, points, labels)
    if not smoothing:
        return Chart(name, title, alt=alt, figure=figure, width=2)
    title = _("{title}, smoothed {weight}").format(title=title, weight=f"{smoothing:.2f}")
    note = _("Lines: exponential means. Faint points: the values themselves.")
    return Chart(name, title, note=note, alt=alt, figure=figure, width=2)


_LEGEND = {
    "orientation": "v",
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
    "x": 0,
    "xanchor": "left",
    "bgcolor": NO_COLOR,
    "tracegroupgap": 0,
}


def _points(rows: RunRows, metric: Metric) -> list[MetricRow]:
    return [row for row in rows.metrics if row.site == FEDERATION and row.metric is metric]


def _lines(points: Sequence[MetricRow], label: str, place: int, smoothing: float) -> list[go.Scatter]:
    """Draw one run: its line, and where that is smoothed the values themselves, faintly."""
    rounds, values = [row.round_no for row in points], [row.value for row in points]
    marker = {"size": 7, "symbol": SYMBOLS[place], "color": PALETTE[place]}
    line: dict[str, Any] = {
        "x": rounds,
        "name": escape(label, quote=False),  # plotly takes some HTML for more than text
        "line": {"color": PALETTE[place], "width": 2.25, "dash": DASHES[place]},
        "hoverlabel": {"namelength": 20},
        "legendgroup": str(place),
    }
    if not smoothing:
        mode = {"mode": "lines+markers", "marker": marker | {"maxdisplayed": 25}}
        return [go.Scatter(y=values, hovertemplate="%{y:.3f}", **mode, **line)]
    measured = _("measured {value}").format(value="%{customdata:.3f}")
    return [
        go.Scatter(
            x=rounds,
            y=values,
            mode="markers",
            marker=marker,
            opacity=RAW_OPACITY,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=str(place),
        ),
        go.Scatter(
            y=smooth(values, smoothing),
            mode="lines",
            customdata=values,
            hovertemplate=f"%{{y:.3f}} ({measured})",
            **line,
        ),
    ]


def _describe(title: str, points: Mapping[str, Sequence[MetricRow]], labels: Mapping[str, str]) -> str:
    """Say where each run stands."""
    parts = []
    for run_id, found in points.items():
        known = [row for row in found if row.value is not None]
        if known:
            text = _("{run} {value} in round {round_no}")
            value, round_no = number_text(known[-1].value), known[-1].round_no
            parts.append(text.format(run=labels[run_id], value=value, round_no=round_no))
    return _("{title} by round: {parts}.").format(title=title, parts=joined(parts))
