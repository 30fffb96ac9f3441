"""A comparison as one HTML file that needs neither server nor network: sentences, figure and table."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from luna16.comparison import ALONE, CENTRAL, FEDERATED
from luna16.comparison_report import ArmReport, ComparisonReport, Spread
from luna16.comparison_view import describe_test, list_sentences

HEIGHT_PX = 420
STYLES = {CENTRAL: ("#808080", "square"), FEDERATED: ("#1F83C6", "circle"), ALONE: ("#D98C00", "diamond")}
"""Colours after Okabe and Ito, as on the monitor; each kind of model has a shape of its own as well."""

LEGEND = {CENTRAL: "central", FEDERATED: "federated", ALONE: "a site alone"}

Places = Sequence[tuple[str, Spread | None]]


def make_page(report: ComparisonReport) -> str:
    """Give the page as HTML."""
    sentences = list(list_sentences(report))
    return Template((files("luna16") / "static" / "comparison.html").read_text(encoding="utf-8")).substitute(
        about=escape(describe_test(report)),
        sentences="".join(f"<li>{escape(sentence)}</li>" for sentence in sentences),
        alt=escape(" ".join(sentences), quote=True),
        figure=draw_figure(report).to_html(
            full_html=False, include_plotlyjs=True, config={"responsive": True}
        ),
        head=_draw_line("th", ["model", "CPM", "ROC AUC", *(f"CPM at {gain.site}" for gain in report.gains)]),
        lines="".join(_draw_line("td", _list_cells(arm)) for arm in report.arms),
    )


def draw_figure(report: ComparisonReport) -> go.Figure:
    """Draw the CPM of every model: on all test scans, and for each site on its own."""
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for kind in STYLES:
        of_kind = [each for each in report.arms if each.arm.kind == kind]
        _add_models(figure, kind, 1, [(each.arm.name, each.cpm) for each in of_kind])
        _add_models(figure, kind, 2, [place for each in of_kind for place in _list_own_places(each)])
    grid = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.5)"}
    figure.update_yaxes(rangemode="tozero", **grid)
    figure.update_yaxes(title="CPM, mean sensitivity (0 to 1)", col=1)
    figure.update_xaxes(title="Model, on all test scans", col=1)
    figure.update_xaxes(title="Site, on its own test scans", col=2)
    figure.update_layout(
        height=HEIGHT_PX,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 10, "t": 10, "b": 60},
        legend={"orientation": "h", "y": 1.12},
        scattermode="group",
        hovermode="closest",
    )
    return figure


def _list_own_places(report: ArmReport) -> Places:
    """Give the CPM of a model at the sites for which it comes into question."""
    site = report.arm.site
    return [(name, cpm) for name, cpm in report.cpm_at_site.items() if site in {"", name}]


def _add_models(figure: go.Figure, kind: str, column: int, places: Places) -> None:
    """Add a faint mark for each seed and a full one for their mean."""
    known = [(place, cpm) for place, cpm in places if cpm]
    color, symbol = STYLES[kind]
    seeds = [(place, value) for place, cpm in known for value in cpm.values]
    means = [(place, cpm.mean) for place, cpm in known]
    for points, size_px, opacity in ((seeds, 6, 0.5), (means, 13, 1.0)):
        figure.add_trace(
            go.Scatter(
                x=[place for place, _ in points],
                y=[value for _, value in points],
                mode="markers",
                marker={"color": color, "symbol": symbol, "size": size_px, "opacity": opacity},
                name=LEGEND[kind],
                legendgroup=kind,
                showlegend=column == 1 and points is means,
                offsetgroup=kind if column == 2 else "",
                hovertemplate="%{x}: CPM %{y:.3f}",
            ),
            row=1,
            col=column,
        )


def _list_cells(report: ArmReport) -> list[str]:
    values = report.cpm, report.auc, *report.cpm_at_site.values()
    return [report.arm.name, *(str(value or "-") for value in values)]


def _draw_line(tag: str, cells: Sequence[str]) -> str:
    first = f'<th scope="row">{escape(cells[0])}</th>' if tag == "td" else f"<th>{escape(cells[0])}</th>"
    return f"<tr>{first}{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells[1:])}</tr>"
