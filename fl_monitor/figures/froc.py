"""The FROC curve: sensitivity against false positives per scan, at the seven rates of LUNA16."""

import math
from collections.abc import Iterable, Sequence

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
from fl_monitor.summary import federation_metrics
from fl_monitor.wording import number_text, rate_of
from fl_store.metrics import DETECTION_SENSITIVITIES, FEDERATION, SENSITIVITIES, Metric

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


def detection_chart(rows: RunRows, ranks: SiteRanks) -> Chart | None:
    """Draw the curve of whole scans, with that of given candidates beside it; None if nobody was asked."""
    asked = [row.round_no for row in rows.metrics if row.metric is Metric.DETECTION_CPM]
    if not asked:
        return None
    round_no = max(asked)
    figure = _empty_froc(rows)
    figure.add_traces(_froc_lines(rows, ranks, round_no, DETECTION_SENSITIVITIES))
    figure.add_trace(_given_candidates(rows, ranks, round_no))
    return Chart(
        "detection",
        _("FROC of whole scans"),
        note=_describe_detection(rows, round_no),
        alt=describe_froc(rows, round_no, DETECTION_SENSITIVITIES),
        figure=figure,
    )


def _given_candidates(rows: RunRows, ranks: SiteRanks, round_no: int) -> go.Scatter:
    """Give the federation's curve of given candidates, dotted."""
    (line,) = _froc_lines(rows, ranks, round_no, sites=[FEDERATION])
    line.update(name=_("given candidates"), error_y=None, mode="lines")
    line.line.dash = "dot"
    return line


def _describe_detection(rows: RunRows, round_no: int) -> str:
    found = federation_metrics(rows, round_no)
    shares = [found.get(metric) for metric in (Metric.CANDIDATE_SENSITIVITY, Metric.CANDIDATES_PER_SCAN)]
    sensitivity, per_scan = (row.value if row else None for row in shares)
    return _(
        "After round {round_no}, from the scans alone. Dotted: given candidates. The search proposed "
        "{per_scan} candidates a scan, and {sensitivity} of the nodules were among them."
    ).format(
        round_no=round_no,
        per_scan=number_text(per_scan, digits=0),
        sensitivity=number_text(sensitivity, digits=2),
    )


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


def _froc_lines(
    rows: RunRows,
    ranks: SiteRanks,
    round_no: int | None,
    metrics: Sequence[Metric] = SENSITIVITIES,
    sites: Iterable[str] | None = None,
) -> list[go.Scatter]:
    of_round = [row for row in rows.metrics if row.round_no == round_no]
    lines = []
    for site in in_order(sites_of(rows), ranks) if sites is None else sites:
        found = {row.metric: row for row in of_round if row.site == site}
        known = [found[metric] for metric in metrics if metric in found]
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
