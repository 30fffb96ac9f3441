"""Whether a probability means what it says: the reliability diagram, and the calibration error by round."""

import plotly.graph_objects as go

from fl_monitor.alt_texts import describe_metric, joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.progress import metric_line
from fl_monitor.figures.style import (
    PEER_COLOR,
    SiteRanks,
    empty_figure,
    figure_by_round,
    in_order,
    label_of,
    line_style,
    marker_style,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import count_text, number_text
from fl_store.metrics import FEDERATION, Curve, Metric
from fl_store.run_rows import CurveRow


def reliability_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw how many of the candidates of one probability are nodules, after the last finished round."""
    title = _("Reliability of the probabilities")
    curves = {row.site: row for row in rows.curves if row.curve is Curve.RELIABILITY}
    if not curves:
        return Chart("reliability", title, empty=_("Comes with the first round that keeps it."), width=2)
    figure = empty_figure(revision=rows.run.run_id)
    figure.update_layout(hovermode="closest")
    figure.add_trace(_diagonal())
    for site in in_order(curves, ranks):
        figure.add_trace(_reliability_line(curves[site], ranks))
    figure.update_xaxes(title=_("Mean probability of the model (0 to 1)"), range=[-0.02, 1.02])
    figure.update_yaxes(title=_("Share that are nodules (0 to 1)"), range=[-0.02, 1.02])
    round_no = next(iter(curves.values())).round_no
    note = _(
        "After round {round_no}. On the dashed line a probability means what it says; below it, too much."
    )
    return Chart(
        "reliability",
        title,
        note=note.format(round_no=round_no),
        alt=_describe_reliability(curves.get(FEDERATION), round_no),
        figure=figure,
        width=2,
    )


def _diagonal() -> go.Scatter:
    return go.Scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": PEER_COLOR, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        meta={"site": ""},
    )


def _reliability_line(curve: CurveRow, ranks: SiteRanks) -> go.Scatter:
    points = curve.points
    words = _("{site}: {share} of {number} candidates are nodules, at a mean probability of {probability}")
    hover = words.format(
        site=label_of(curve.site), share="%{y:.3f}", number="%{customdata}", probability="%{x:.3f}"
    )
    return go.Scatter(
        x=points["mean_probability"],
        y=points["share_positive"],
        customdata=list(map(count_text, points["num_examples"])),
        name=label_of(curve.site),
        mode="lines+markers",
        line=line_style(curve.site, ranks),
        marker=marker_style(curve.site, ranks),
        hovertemplate=f"{hover}<extra></extra>",
        meta={"site": curve.site},
    )


def _describe_reliability(curve: CurveRow | None, round_no: int) -> str:
    points = curve.points if curve else {"mean_probability": [], "share_positive": []}
    parts = [
        _("{share} at {probability}").format(
            share=number_text(share, digits=2), probability=number_text(probability, digits=2)
        )
        for probability, share in zip(points["mean_probability"], points["share_positive"], strict=True)
    ]
    return _("Share of nodules by probability, of the federation, round {round_no}: {parts}.").format(
        round_no=round_no, parts=joined(parts)
    )


def calibration_error_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the expected calibration error by round."""
    title = _("Calibration error")
    sites = {row.site for row in rows.metrics if row.metric is Metric.CALIBRATION_ERROR}
    if not sites:
        return Chart(
            "calibration-error", title, empty=_("Comes with the first round that keeps it."), width=2
        )
    figure = figure_by_round(rows)
    for site in in_order(sites, ranks):
        figure.add_trace(metric_line(rows, ranks, site, Metric.CALIBRATION_ERROR))
    figure.update_yaxes(title=_("Expected calibration error (0 to 1)"), rangemode="tozero")
    note = _("How far probabilities are from the shares that come true, on average; 0 is best.")
    alt = describe_metric(rows, ranks, Metric.CALIBRATION_ERROR, title)
    return Chart("calibration-error", title, note=note, alt=alt, figure=figure, width=2)
