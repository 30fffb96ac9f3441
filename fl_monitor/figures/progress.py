"""The charts of a run that goes on: scores and losses by round, and the seconds of each site."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from fl_monitor.alt_texts import describe_metric, describe_seconds
from fl_monitor.blocks import Chart
from fl_monitor.figures.style import (
    NO_COLOR,
    SiteRanks,
    bar_place,
    color_of,
    figure_by_round,
    in_order,
    interval_bars,
    label_of,
    line_style,
    marker_style,
    sites_of,
    tick_step,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import RoundRow, SiteRoundRow

ROUNDS_TIMED = 20
"""The chart of seconds shows so many last rounds."""
BAND_COLOR = "rgba(128,128,128,0.16)"
LEAST_SITES_OF_A_BAND = 2


def make_progress_charts(rows: RunRows, ranks: SiteRanks) -> list[Chart]:
    """Draw a run; without a round there are no charts."""
    if not rows.rounds:
        return []
    return [
        auc_chart(rows, ranks),
        cpm_chart(rows, ranks),
        loss_chart(rows, ranks),
        seconds_chart(rows, ranks),
    ]


def auc_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the ROC AUC by round."""
    return _metric_chart(rows, ranks, Metric.AUC, title=_("ROC AUC"), axis=_("ROC AUC (0 to 1)"), lowest=0.5)


def cpm_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the CPM by round."""
    return _metric_chart(
        rows, ranks, Metric.CPM, title=_("CPM"), axis=_("CPM, mean sensitivity (0 to 1)"), lowest=0.0
    )


def _metric_chart(
    rows: RunRows, ranks: SiteRanks, metric: Metric, *, title: str, axis: str, lowest: float
) -> Chart:
    figure = figure_by_round(rows)
    _add_band(figure, rows, metric)
    for site in in_order(sites_of(rows), ranks):
        figure.add_trace(metric_line(rows, ranks, site, metric))
    figure.update_yaxes(title=axis, range=[_floor(rows, metric, lowest), 1.02])
    note = _("Strong line: the federation, pooled. Band: from the worst site to the best.")
    alt = describe_metric(rows, ranks, metric, title)
    return Chart(str(metric), title, note=note, alt=alt, figure=figure)


def _add_band(figure: go.Figure, rows: RunRows, metric: Metric) -> None:
    """Shade what lies between the worst and the best site, where at least two have a value."""
    values: dict[int, list[float]] = defaultdict(list)
    for row in rows.metrics:
        if row.metric is metric and row.site != FEDERATION and row.value is not None:
            values[row.round_no].append(row.value)
    spans = {no: found for no, found in sorted(values.items()) if len(found) >= LEAST_SITES_OF_A_BAND}
    for edge, fill in ((min, None), (max, "tonexty")):
        figure.add_trace(
            go.Scatter(
                x=list(spans),
                y=[edge(found) for found in spans.values()],
                mode="lines",
                line={"width": 0},
                fill=fill,
                fillcolor=BAND_COLOR,
                hoverinfo="skip",
                meta={"site": ""},
            )
        )


def loss_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the loss of validation and of training by round."""
    figure = figure_by_round(rows)
    _add_band(figure, rows, Metric.VALIDATION_LOSS)
    for site in in_order(sites_of(rows), ranks):
        validation, training = _("validation"), _("training")
        figure.add_trace(metric_line(rows, ranks, site, Metric.VALIDATION_LOSS, suffix=f", {validation}"))
        figure.add_trace(
            metric_line(rows, ranks, site, Metric.TRAIN_LOSS, suffix=f", {training}", dash="dot")
        )
    figure.update_yaxes(title=_("Loss (cross-entropy, nats)"), rangemode="tozero")
    alt = describe_metric(rows, ranks, Metric.VALIDATION_LOSS, _("Validation loss"))
    note = _("Solid: validation, with the band of the sites. Dotted: training.")
    return Chart("loss", _("Loss"), note=note, alt=alt, figure=figure)


def metric_line(
    rows: RunRows, ranks: SiteRanks, site: str, metric: Metric, *, suffix: str = "", dash: str = "solid"
) -> go.Scatter:
    """Draw one number of one site by round; the interval, where there is one, as a bar."""
    points = [row for row in rows.metrics if row.site == site and row.metric is metric]
    return go.Scatter(
        x=[row.round_no for row in points],
        y=[row.value for row in points],
        error_y=interval_bars(points),
        name=label_of(site) + suffix,
        mode="lines+markers",
        line=line_style(site, ranks, dash=dash),
        marker={**marker_style(site, ranks), "maxdisplayed": 25},
        hovertemplate="%{y:.3f}",
        meta={"site": site},
    )


def seconds_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw what each site spent its time on, in each of the last rounds."""
    figure = figure_by_round(rows)
    shown = rows.rounds[-ROUNDS_TIMED:]
    for site in in_order(ranks, ranks):
        for trace in _seconds_bars(rows, ranks, site, shown):
            figure.add_trace(trace)
    figure.update_layout(barmode="overlay", bargap=0, hovermode="closest")
    figure.update_yaxes(title=_("Time (s)"), rangemode="tozero")
    first, last = shown[0].round_no, max(shown[-1].round_no, 5)
    figure.update_xaxes(range=[first - 0.5, last + 0.5], dtick=tick_step(last - first + 1))
    note = _("From below: training (full), evaluation (striped), waiting for the others (outline).")
    if len(rows.rounds) > ROUNDS_TIMED:
        note += " " + _("The last {number} rounds.").format(number=ROUNDS_TIMED)
    title = _("Seconds per site and round")
    return Chart("seconds", title, note=note, alt=describe_seconds(rows, ranks), figure=figure)


def _seconds_bars(rows: RunRows, ranks: SiteRanks, site: str, shown: Iterable[RoundRow]) -> list[go.Bar]:
    """Stack the three parts of a site's round; the sites stand side by side, in order of rank."""
    rounds = {row.round_no: row for row in shown}
    done = [row for row in rows.site_rounds if row.site == site and row.round_no in rounds]
    parts = [_seconds_of(row, rounds[row.round_no]) for row in done]
    bars = []
    for index, (name, look) in enumerate(_phases().items()):
        in_words = _("{site}, {phase}, round {x}").format(site=site, phase=name, x="%{x}")
        bars.append(
            go.Bar(
                x=[row.round_no for row in done],
                y=[part[index] for part in parts],
                base=[sum(seconds or 0.0 for seconds in part[:index]) for part in parts],
                name=f"{site}, {name}",
                marker=bar_look(color_of(site, ranks), look),
                customdata=[part[index] for part in parts],
                hovertemplate=f"{in_words}: %{{customdata:.1f}} s<extra></extra>",
                meta={"site": site},
                **bar_place(site, ranks),
            )
        )
    return bars


def _phases() -> dict[str, str]:
    return {_("training"): "full", _("evaluation"): "striped", _("waiting"): "outline"}


def bar_look(color: str, look: str) -> dict[str, Any]:
    """Return how a bar is filled, so that its parts are told apart without their colour."""
    line = {"color": color, "width": 1}
    if look == "full":
        return {"color": color, "line": line}
    if look == "striped":
        pattern = {"shape": "/", "fgcolor": color, "bgcolor": NO_COLOR, "size": 5, "solidity": 0.45}
        return {"color": color, "pattern": pattern, "line": line}
    return {"color": NO_COLOR, "line": line}


def _seconds_of(row: SiteRoundRow, of_round: RoundRow) -> tuple[float | None, float | None, float | None]:
    """Return seconds of training, evaluation and waiting; waiting is known when the round is over."""
    if of_round.ended_at is None:
        return row.train_s, row.evaluate_s, None
    round_s = (of_round.ended_at - of_round.started_at).total_seconds()
    return row.train_s, row.evaluate_s, max(round_s - (row.train_s or 0.0) - (row.evaluate_s or 0.0), 0.0)


def _floor(rows: RunRows, metric: Metric, lowest: float) -> float:
    """Return where the axis begins: at ``lowest``, or lower if a value is."""
    values = [row.value for row in rows.metrics if row.metric is metric and row.value is not None]
    least = min(values, default=lowest)
    return lowest if least >= lowest else math.floor(least * 10) / 10
