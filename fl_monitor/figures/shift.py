"""How unlike the data of any two sites are: a matrix for each histogram of their data cards."""

from collections.abc import Sequence

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.data_cards import HISTOGRAMS, histogram_title
from fl_monitor.figures.style import SHADES, SiteRanks, empty_figure, in_order
from fl_monitor.language import gettext as _
from fl_monitor.wording import DASH, number_text
from fl_store.rows import DataShiftRow

MARK = "!"
ROW_PX = 34
AROUND_PX = 130
LEAST_PX = 260
MOST_SITES_IN_WORDS = 6
"""With more sites the cells are too small for numbers: they hold a mark alone, and the hover tells more."""


def shift_charts(shifts: Sequence[DataShiftRow], ranks: SiteRanks) -> list[Chart]:
    """Draw a matrix for each histogram in which two sites were compared."""
    found = {name: [row for row in shifts if row.histogram == name] for name in HISTOGRAMS}
    return [_shift_chart(name, rows, ranks) for name, rows in found.items() if rows]


def _shift_chart(name: str, rows: Sequence[DataShiftRow], ranks: SiteRanks) -> Chart:
    title = _("Data shift: {histogram}").format(histogram=histogram_title(name))
    sites = in_order({site for row in rows for site in (row.site, row.other_site)}, ranks)
    figure = empty_figure(revision=f"shift-{name}", height=max(AROUND_PX + ROW_PX * len(sites), LEAST_PX))
    figure.add_traces([_cells(rows), _texts(rows, num_sites=len(sites))])
    figure.update_layout(hovermode="closest")
    axis = {"title": _("Site"), "type": "category", "categoryorder": "array", "showgrid": False}
    figure.update_xaxes(**axis, categoryarray=sites)
    figure.update_yaxes(**axis, categoryarray=sites[::-1])
    note, alt = _describe_marks(rows, num_sites=len(sites)), _describe(title, rows)
    return Chart(f"shift-{name}", title, note=note, alt=alt, figure=figure, width=HISTOGRAMS[name])


def _cells(rows: Sequence[DataShiftRow]) -> go.Heatmap:
    both = [
        *((row.site, row.other_site, row) for row in rows),
        *((row.other_site, row.site, row) for row in rows),
    ]
    return go.Heatmap(
        x=[site for site, _other, _row in both],
        y=[other for _site, other, _row in both],
        z=[row.distance for _site, _other, row in both],
        customdata=[_hover(row) for _site, _other, row in both],
        zmin=0,
        zmax=1,
        colorscale=SHADES,
        showscale=False,
        hoverongaps=False,
        xgap=2,
        ygap=2,
        hovertemplate="%{x}, %{y}: %{customdata}<extra></extra>",
        meta={"site": ""},
    )


def _texts(rows: Sequence[DataShiftRow], *, num_sites: int) -> go.Scatter:
    """Write the distances into the cells, in the ink of the page."""
    write = _cell_text if num_sites <= MOST_SITES_IN_WORDS else _cell_mark
    texts = [write(row) for row in rows]
    return go.Scatter(
        x=[*(row.site for row in rows), *(row.other_site for row in rows)],
        y=[*(row.other_site for row in rows), *(row.site for row in rows)],
        text=[*texts, *texts],
        mode="text",
        textfont={"size": 11},
        hoverinfo="skip",
        meta={"site": ""},
    )


def is_marked(row: DataShiftRow) -> bool:
    """Say whether two sites differ by more than chance explains."""
    return row.distance is not None and row.by_chance is not None and row.distance > row.by_chance


def _cell_text(row: DataShiftRow) -> str:
    if row.distance is None:
        return _("cannot<br>be told")
    distance = number_text(row.distance, digits=2)
    return f"<b>{distance} {MARK}</b>" if is_marked(row) else distance


def _cell_mark(row: DataShiftRow) -> str:
    if row.distance is None:
        return "?"
    return f"<b>{MARK}</b>" if is_marked(row) else ""


def _hover(row: DataShiftRow) -> str:
    if row.distance is None:
        return _("cannot be told")
    return _("distance {distance}, by chance up to {by_chance}").format(
        distance=number_text(row.distance), by_chance=number_text(row.by_chance)
    )


def _describe_marks(rows: Sequence[DataShiftRow], *, num_sites: int) -> str:
    """Say which sites differ by more than chance, or how many pairs of many."""
    marked = [row for row in rows if is_marked(row)]
    if not marked:
        return _("Jensen-Shannon distance, 0 to 1. No two sites differ by more than chance explains.")
    if num_sites > MOST_SITES_IN_WORDS:
        text = _(
            "A stronger colour is further apart. More than chance explains (!): {marked} of {all} pairs; "
            "?: cannot be told."
        )
        return text.format(marked=len(marked), all=len(rows))
    return _("Jensen-Shannon distance, 0 to 1. More than chance explains (!): {pairs}.").format(
        pairs=", ".join(f"{row.site} {DASH} {row.other_site}" for row in marked)
    )


def _describe(title: str, rows: Sequence[DataShiftRow]) -> str:
    parts = [
        _("{site} and {other}: {shift}").format(site=row.site, other=row.other_site, shift=_hover(row))
        for row in rows
    ]
    return _("{title}. {parts}.").format(title=title, parts=joined(parts))
