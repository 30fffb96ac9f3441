"""Rows into charts: pure functions that return Plotly figures.

Every trace says in ``meta`` whose it is, so that the page can hide one site on all charts and draw the
federation in the ink of its theme. Zoom outlives new data because ``uirevision`` is the run.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from fl_monitor.alt_texts import describe_froc, describe_metric, describe_seconds, label_of, rate_of
from fl_monitor.snapshot import RunRows
from fl_monitor.summary import last_finished_round
from fl_store.rows import FEDERATION, SENSITIVITIES, Metric, RoundRow, SiteRoundRow

# After Okabe and Ito, Color Universal Design (2008); blue and orange moved to show on white and on black.
PALETTE = ("#1F83C6", "#D98C00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
FEDERATION_COLOR = "#777777"
ROUNDS_TIMED = 20
"""The chart of seconds shows so many last rounds."""

SiteRanks = Mapping[str, int]


@dataclass(frozen=True)
class Chart:
    """A figure with its heading, one line on how to read it, and its content in words."""

    name: str
    title: str
    note: str
    alt: str
    figure: go.Figure


def make_charts(rows: RunRows, ranks: SiteRanks) -> list[Chart]:
    """Draw a run; ``ranks`` numbers its sites and so gives each its colour.

    A run without a round has no charts.
    """
    if not rows.rounds:
        return []
    return [
        _metric_chart(rows, ranks, Metric.AUC, title="ROC AUC", axis="ROC AUC (0 to 1)", lowest=0.5),
        _metric_chart(
            rows, ranks, Metric.CPM, title="CPM", axis="CPM, mean sensitivity (0 to 1)", lowest=0.0
        ),
        _loss_chart(rows, ranks),
        _seconds_chart(rows, ranks),
        _froc_chart(rows, ranks),
    ]


def chart_data(charts: list[Chart]) -> list[dict[str, Any]]:
    """Return charts as the scripts of the page and of the report take them."""
    return [{**vars(chart), "figure": chart.figure.to_plotly_json()} for chart in charts]


def site_colors(ranks: SiteRanks) -> dict[str, str]:
    """Return each site's colour."""
    return {site: color_of(site, ranks) for site in ranks}


def color_of(site: str, ranks: SiteRanks) -> str:
    """Return a site's colour, the same on every chart."""
    return FEDERATION_COLOR if site == FEDERATION else PALETTE[ranks[site] % len(PALETTE)]


def _metric_chart(
    rows: RunRows, ranks: SiteRanks, metric: Metric, *, title: str, axis: str, lowest: float
) -> Chart:
    figure = _empty_figure(rows)
    for site in _by_rank(ranks):
        figure.add_trace(_line(rows, ranks, site, metric))
    figure.update_yaxes(title=axis, range=[_floor(rows, metric, lowest), 1.02])
    note = "The strong line is the federation, pooled over all sites."
    return Chart(str(metric), title, note, describe_metric(rows, metric, title), figure)


def _loss_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    figure = _empty_figure(rows)
    for site in _by_rank(ranks):
        figure.add_trace(_line(rows, ranks, site, Metric.VALIDATION_LOSS, suffix=", validation"))
        figure.add_trace(_line(rows, ranks, site, Metric.TRAIN_LOSS, suffix=", training", dash="dot"))
    figure.update_yaxes(title="Loss (cross-entropy, nats)", rangemode="tozero")
    alt = describe_metric(rows, Metric.VALIDATION_LOSS, "Validation loss")
    return Chart("loss", "Loss", "Solid: validation. Dotted: training.", alt, figure)


def _line(
    rows: RunRows, ranks: SiteRanks, site: str, metric: Metric, *, suffix: str = "", dash: str = "solid"
) -> go.Scatter:
    points = [row for row in rows.metrics if row.site == site and row.metric is metric]
    is_federation = site == FEDERATION
    return go.Scatter(
        x=[row.round_no for row in points],
        y=[row.value for row in points],
        name=label_of(site) + suffix,
        mode="lines+markers",
        line={"color": color_of(site, ranks), "width": 3.5 if is_federation else 1.75, "dash": dash},
        marker={"size": 7 if is_federation else 6, "symbol": _symbol_of(site, ranks), "maxdisplayed": 25},
        hovertemplate="%{y:.3f}",
        meta={"site": site},
    )


def _seconds_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    figure = _empty_figure(rows)
    shown = rows.rounds[-ROUNDS_TIMED:]
    for site in sorted(ranks, key=lambda name: ranks[name]):
        for trace in _seconds_bars(rows, ranks, site, shown):
            figure.add_trace(trace)
    figure.update_layout(barmode="overlay", bargap=0, hovermode="closest")
    figure.update_yaxes(title="Time (s)", rangemode="tozero")
    if shown:
        first, last = shown[0].round_no, max(shown[-1].round_no, 5)
        figure.update_xaxes(range=[first - 0.5, last + 0.5], dtick=_tick_step(last - first + 1))
    note = "From below: training (full), evaluation (striped), waiting for the others (outline)."
    if len(rows.rounds) > ROUNDS_TIMED:
        note += f" The last {ROUNDS_TIMED} rounds."
    return Chart("seconds", "Seconds per site and round", note, describe_seconds(rows), figure)


def _seconds_bars(rows: RunRows, ranks: SiteRanks, site: str, shown: Iterable[RoundRow]) -> list[go.Bar]:
    """Stack the three parts of a site's round; the sites stand side by side, in order of rank."""
    rounds = {row.round_no: row for row in shown}
    done = [row for row in rows.site_rounds if row.site == site and row.round_no in rounds]
    parts = [_seconds_of(row, rounds[row.round_no]) for row in done]
    width = 0.8 / max(len(ranks), 1)
    place = {"width": width, "offset": -0.4 + width * sorted(ranks.values()).index(ranks[site])}
    bars = []
    for index, (name, look) in enumerate(_PHASES.items()):
        bars.append(
            go.Bar(
                x=[row.round_no for row in done],
                y=[part[index] for part in parts],
                base=[sum(seconds or 0.0 for seconds in part[:index]) for part in parts],
                name=f"{site}, {name}",
                marker=_bar_look(color_of(site, ranks), look),
                customdata=[part[index] for part in parts],
                hovertemplate=f"{site}, {name}, round %{{x}}: %{{customdata:.1f}} s<extra></extra>",
                meta={"site": site},
                **place,
            )
        )
    return bars


_PHASES = {"training": "full", "evaluation": "striped", "waiting": "outline"}


def _bar_look(color: str, look: str) -> dict[str, Any]:
    if look == "full":
        return {"color": color, "line": {"color": color, "width": 1}}
    if look == "striped":
        pattern = {"shape": "/", "fgcolor": color, "bgcolor": "rgba(0,0,0,0)", "size": 5, "solidity": 0.45}
        return {"color": color, "pattern": pattern, "line": {"color": color, "width": 1}}
    return {"color": "rgba(0,0,0,0)", "line": {"color": color, "width": 1}}


def _seconds_of(row: SiteRoundRow, of_round: RoundRow) -> tuple[float | None, float | None, float | None]:
    """Return seconds of training, evaluation and waiting; waiting is known when the round is over."""
    if of_round.ended_at is None:
        return row.train_s, row.evaluate_s, None
    round_s = (of_round.ended_at - of_round.started_at).total_seconds()
    return row.train_s, row.evaluate_s, max(round_s - (row.train_s or 0.0) - (row.evaluate_s or 0.0), 0.0)


def _froc_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    round_no = last_finished_round(rows)
    figure = _empty_figure(rows)
    for site in _by_rank(ranks):
        figure.add_trace(_froc_line(rows, ranks, site, round_no))
    rates = [rate_of(metric) for metric in SENSITIVITIES]
    figure.update_xaxes(
        title="False positives per scan (1/scan)",
        type="log",
        unifiedhovertitle={"text": "%{x} false positives per scan"},
        range=[math.log10(rates[0]) - 0.05, math.log10(rates[-1]) + 0.05],
        tickvals=rates,
        ticktext=["1/8", "1/4", "1/2", "1", "2", "4", "8"],
        tickmode="array",
    )
    figure.update_yaxes(title="Sensitivity (0 to 1)", range=[0, 1.02])
    note = (
        f"After round {round_no}, at the seven rates of LUNA16."
        if round_no
        else "Comes with the first round."
    )
    return Chart("froc", "FROC", note, describe_froc(rows), figure)


def _froc_line(rows: RunRows, ranks: SiteRanks, site: str, round_no: int | None) -> go.Scatter:
    values = {row.metric: row.value for row in rows.metrics if (row.site, row.round_no) == (site, round_no)}
    known = [metric for metric in SENSITIVITIES if metric in values]
    is_federation = site == FEDERATION
    return go.Scatter(
        x=[rate_of(metric) for metric in known],
        y=[values[metric] for metric in known],
        name=label_of(site),
        mode="lines+markers",
        line={"color": color_of(site, ranks), "width": 3.5 if is_federation else 1.75},
        marker={"size": 7 if is_federation else 6, "symbol": _symbol_of(site, ranks)},
        hovertemplate="%{y:.3f}",
        meta={"site": site},
    )


def _empty_figure(rows: RunRows) -> go.Figure:
    last = max(rows.rounds[-1].round_no, 5)
    figure = go.Figure()
    figure.update_layout(
        template=None,
        uirevision=rows.run.run_id,
        showlegend=False,
        hovermode="x unified",
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        xaxis={
            "title": "Round (number)",
            "range": [0.5, last + 0.5],
            "dtick": _tick_step(last),
            "unifiedhovertitle": {"text": "Round %{x}"},
        },
    )
    return figure


def _tick_step(num_rounds: int) -> int:
    """Return a round step that gives ten ticks or fewer."""
    return next(step for step in _TICK_STEPS if num_rounds <= 10 * step)


_TICK_STEPS = [factor * int(10**power) for power in range(9) for factor in (1, 2, 5)]


def _floor(rows: RunRows, metric: Metric, lowest: float) -> float:
    """Return where the axis begins: at ``lowest``, or lower if a value is."""
    values = [row.value for row in rows.metrics if row.metric is metric and row.value is not None]
    least = min(values, default=lowest)
    return lowest if least >= lowest else math.floor(least * 10) / 10


def _by_rank(ranks: SiteRanks) -> list[str]:
    """Return the sites in order and the federation last, so that it is drawn on top."""
    return [*sorted(ranks, key=lambda site: ranks[site]), FEDERATION]


def _symbol_of(site: str, ranks: SiteRanks) -> str:
    """Return a marker that tells apart sites whose colours repeat, and colours that look alike."""
    if site == FEDERATION:
        return "circle"
    return SYMBOLS[(ranks[site] + ranks[site] // len(PALETTE)) % len(SYMBOLS)]
