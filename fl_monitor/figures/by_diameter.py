"""The sensitivity for small and large nodules, after each round."""

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart, Frame
from fl_monitor.figures.style import (
    SiteRanks,
    color_of,
    empty_figure,
    in_order,
    interval_bars,
    label_of,
    symbol_of,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.summary import federation_metrics
from fl_monitor.wording import count_text, number_text
from fl_store.metrics import CPMS_BY_DIAMETER, FEDERATION, Metric
from fl_store.run_rows import MetricRow

MOST_FRAMES = 100
"""A slider goes through so many of the last finished rounds."""


def diameter_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the mean sensitivity in each band of diameters, to be gone through with a slider."""
    title = _("Sensitivity by nodule diameter")
    known = {row.round_no for row in rows.metrics if row.metric in CPMS_BY_DIAMETER}
    finished = [row.round_no for row in rows.rounds if row.ended_at and row.round_no in known]
    frames = tuple(
        Frame(
            _("Round {x}").format(x=round_no),
            describe_diameters(rows, round_no),
            _diameter_points(rows, ranks, round_no),
        )
        for round_no in finished[-MOST_FRAMES:]
    )
    if not frames:
        return Chart("diameters", title, empty=_("Comes with the first round."), width=2)
    figure = empty_figure(revision=rows.run.run_id, scattermode="group", scattergap=0.4)
    figure.add_traces(list(frames[-1].data))
    figure.update_xaxes(title=_("Nodule diameter (mm)"), type="category")
    figure.update_yaxes(title=_("CPM, mean sensitivity (0 to 1)"), range=[0, 1.05])
    note = _("n: the federation's nodules; bars are 95 % CIs, known after the last round.")
    return Chart("diameters", title, note=note, alt=frames[-1].alt, figure=figure, frames=frames, width=2)


def _band_names() -> dict[Metric, str]:
    return {
        Metric.CPM_BELOW_6_MM: _("below 6"),
        Metric.CPM_6_TO_8_MM: _("6 to 8"),
        Metric.CPM_8_TO_15_MM: _("8 to 15"),
        Metric.CPM_FROM_15_MM: _("15 and more"),
    }


def _diameter_points(rows: RunRows, ranks: SiteRanks, round_no: int) -> list[go.Scatter]:
    of_round = [row for row in rows.metrics if row.round_no == round_no and row.metric in CPMS_BY_DIAMETER]
    federation = {row.metric: row for row in of_round if row.site == FEDERATION}
    ticks = {
        metric: f"{name}<br>n = {_num_text(federation.get(metric))}" for metric, name in _band_names().items()
    }
    return [
        _site_points(site, [row for row in of_round if row.site == site], ticks, ranks)
        for site in in_order({row.site for row in of_round}, ranks)
    ]


def _site_points(site: str, own: list[MetricRow], ticks: dict[Metric, str], ranks: SiteRanks) -> go.Scatter:
    """Draw a site's points in a lane of its own, so that intervals do not cover one another."""
    found = {row.metric: row for row in own}
    known = [found[metric] for metric in CPMS_BY_DIAMETER if metric in found]
    return go.Scatter(
        x=[ticks[row.metric] for row in known],
        y=[row.value for row in known],
        error_y=interval_bars(known),
        customdata=[_num_text(row) for row in known],
        name=label_of(site),
        mode="markers",
        offsetgroup=site,
        marker={
            "size": 12 if site == FEDERATION else 9,
            "symbol": symbol_of(site, ranks),
            "color": color_of(site, ranks),
        },
        hovertemplate=_("{y} of {n} nodules").format(y="%{y:.3f}", n="%{customdata}"),
        meta={"site": site},
    )


def _num_text(row: MetricRow | None) -> str:
    return count_text(row.num_examples if row else None)


def describe_diameters(rows: RunRows, round_no: int) -> str:
    """Say the federation's sensitivity in each band, and of how many nodules."""
    found = federation_metrics(rows, round_no)
    parts = [
        _("{band} mm {value} of {number} nodules").format(
            band=name, value=number_text(found[metric].value), number=_num_text(found[metric])
        )
        for metric, name in _band_names().items()
        if metric in found
    ]
    return _("Sensitivity of the federation by nodule diameter, round {round_no}: {parts}.").format(
        round_no=round_no, parts=joined(parts)
    )
