"""The FROC curve: sensitivity against false positives per scan, at the seven rates of LUNA16."""

import math

import plotly.graph_objects as go

from fl_monitor.alt_texts import describe_froc
from fl_monitor.blocks import Chart, Frame
from fl_monitor.figures.style import (
    SiteRanks,
    empty_figure,
    in_order,
    interval_bars,
    label_of,
    line_style,
    marker_style,
    sites_of,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import rate_of
from fl_store.rows import SENSITIVITIES

MOST_FRAMES = 100
"""A slider goes through so many of the last finished rounds."""


def froc_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the curve after the last finished round."""
    round_no = rows.last_finished_round
    figure = _empty_froc(rows)
    figure.add_traces(_froc_lines(rows, ranks, round_no))
    note = (
        _("After round {round_no}, at the seven rates of LUNA16.").format(round_no=round_no)
        if round_no
        else _("Comes with the first round.")
    )
    return Chart("froc", _("FROC"), note=note, alt=describe_froc(rows, round_no), figure=figure)


def froc_by_round(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the curve after each finished round, to be gone through with a slider."""
    finished = [row.round_no for row in rows.rounds if row.ended_at][-MOST_FRAMES:]
    frames = tuple(
        Frame(
            label=_("Round {x}").format(x=round_no),
            alt=describe_froc(rows, round_no),
            data=_froc_lines(rows, ranks, round_no),
        )
        for round_no in finished
    )
    chart = froc_chart(rows, ranks)
    note = _("At the seven rates of LUNA16; bars are 95 % CIs, known after the last round.")
    return Chart("froc", _("FROC"), note=note, alt=chart.alt, figure=chart.figure, frames=frames)


def _empty_froc(rows: RunRows) -> go.Figure:
    rates = [rate_of(metric) for metric in SENSITIVITIES]
    figure = empty_figure(revision=rows.run.run_id)
    figure.update_xaxes(
        title=_("False positives per scan (1/scan)"),
        type="log",
        unifiedhovertitle={"text": _("{x} false positives per scan").format(x="%{x}")},
        range=[math.log10(rates[0]) - 0.05, math.log10(rates[-1]) + 0.05],
        tickvals=rates,
        ticktext=["1/8", "1/4", "1/2", "1", "2", "4", "8"],
        tickmode="array",
    )
    figure.update_yaxes(title=_("Sensitivity (0 to 1)"), range=[0, 1.02])
    return figure


def _froc_lines(rows: RunRows, ranks: SiteRanks, round_no: int | None) -> list[go.Scatter]:
    of_round = [row for row in rows.metrics if row.round_no == round_no]
    lines = []
    for site in in_order(sites_of(rows), ranks):
        found = {row.metric: row for row in of_round if row.site == site}
        known = [found[metric] for metric in SENSITIVITIES if metric in found]
        lines.append(
            go.Scatter(
                x=[rate_of(row.metric) for row in known],
                y=[row.value for row in known],
                error_y=interval_bars(known),
                name=label_of(site),
                mode="lines+markers",
                line=line_style(site, ranks),
                marker=marker_style(site, ranks),
                hovertemplate="%{y:.3f}",
                meta={"site": site},
            )
        )
    return lines
