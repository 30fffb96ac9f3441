"""How far each site's update went in a round, and how far in the direction of the mean of all."""

from collections.abc import Callable

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.style import SiteRanks, figure_by_round, in_order, line_style, marker_style
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import number_text
from fl_store.run_rows import SiteRoundRow

Measure = Callable[[SiteRoundRow], float | None]


def drift_charts(rows: RunRows, ranks: SiteRanks) -> list[Chart]:
    """Draw length and direction of the updates by round."""
    return [_norm_chart(rows, ranks), _cosine_chart(rows, ranks)]


def _norm_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    title = _("Length of the update")
    note = _("How far a site moves the model in a round; one far above the others pulls it to its data.")
    figure, alt = _draw(rows, ranks, lambda row: row.update_norm, title)
    if figure is None:
        return Chart("update-norm", title, empty=_("Comes with the first updates."))
    figure.update_yaxes(title=_("Norm of the change (unit of the weights)"), rangemode="tozero")
    return Chart("update-norm", title, note=note, alt=alt, figure=figure)


def _cosine_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    title = _("Direction of the update")
    note = _("1: as the mean of all sites. 0: across it. Below 0: against it.")
    figure, alt = _draw(rows, ranks, lambda row: row.update_cosine, title)
    if figure is None:
        return Chart("update-cosine", title, empty=_("Comes with the first updates."))
    lowest = min(0.0, *(value for line in figure.data for value in line.y))
    axis = _("Cosine to the mean change (−1 to 1)")  # noqa: RUF001 - a minus is meant
    figure.update_yaxes(title=axis, range=[-1.05 if lowest < 0 else 0.0, 1.05])
    return Chart("update-cosine", title, note=note, alt=alt, figure=figure)


def _draw(rows: RunRows, ranks: SiteRanks, measure: Measure, title: str) -> tuple[go.Figure | None, str]:
    """Return the lines of all sites and what they are at in words; no figure without a value."""
    known = [row for row in rows.site_rounds if row.site in ranks and measure(row) is not None]
    if not known:
        return None, ""
    figure = figure_by_round(rows)
    for site in in_order({row.site for row in known}, ranks):
        figure.add_trace(_drift_line(site, [row for row in known if row.site == site], measure, ranks))
    last = known[-1].round_no
    parts = [
        _("{site} {value}").format(site=row.site, value=number_text(measure(row)))
        for row in known
        if row.round_no == last
    ]
    return figure, _("{title}, round {round_no}: {parts}.").format(
        title=title, round_no=last, parts=joined(parts)
    )


def _drift_line(site: str, own: list[SiteRoundRow], measure: Measure, ranks: SiteRanks) -> go.Scatter:
    return go.Scatter(
        x=[row.round_no for row in own],
        y=[measure(row) for row in own],
        name=site,
        mode="lines+markers",
        line=line_style(site, ranks),
        marker={**marker_style(site, ranks), "maxdisplayed": 25},
        hovertemplate="%{y:.3f}",
        meta={"site": site},
    )
