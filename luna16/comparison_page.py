"""A comparison as one HTML file that needs neither server nor network: sentences, figure and table."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go

from luna16.comparison import ALONE, CENTRAL, FEDERATED
from luna16.comparison_report import ArmReport, ComparisonReport, Spread
from luna16.comparison_view import describe_test, list_sentences

HEIGHT_PX = 360
STYLES = {CENTRAL: ("#808080", "square"), FEDERATED: ("#1F83C6", "circle"), ALONE: ("#D98C00", "diamond")}
"""Colours after Okabe and Ito, as on the monitor; each kind of model has a shape of its own as well."""

LEGEND = {CENTRAL: "central", FEDERATED: "federated", ALONE: "a site alone"}

Places = Sequence[tuple[str, Spread | None]]


def make_page(report: ComparisonReport) -> str:
    """Give the page as HTML."""
    template = Template((files("luna16") / "static" / "comparison.html").read_text(encoding="utf-8"))
    sentences = list(list_sentences(report))
    return template.substitute(
        about=escape(describe_test(report)),
        sentences="".join(f"<li>{escape(sentence)}</li>" for sentence in sentences),
        alt=escape(" ".join(sentences), quote=True),
        on_all_scans=_to_html(draw_on_all_scans(report), with_script=True),
        at_each_site=_to_html(draw_at_each_site(report), with_script=False),
        head=_draw_line("th", ["model", "CPM", "ROC AUC", *(f"CPM at {gain.site}" for gain in report.gains)]),
        lines="".join(_draw_line("td", _list_cells(each)) for each in report.arms),
    )


def draw_on_all_scans(report: ComparisonReport) -> go.Figure:
    """Draw the CPM of every model on the test scans of all sites."""
    figure = _make_figure("Model")
    for each in report.arms:
        _add_models(figure, each.arm.kind, [(each.arm.name, each.cpm)])
    return figure.update_layout(showlegend=False)


def draw_at_each_site(report: ComparisonReport) -> go.Figure:
    """Draw, for each site, the CPM on its own test scans of the models that it can choose from."""
    figure = _make_figure("Site")
    for kind in STYLES:
        of_kind = [each for each in report.arms if each.arm.kind == kind]
        _add_models(figure, kind, [place for each in of_kind for place in _list_own_places(each)])
    return figure.update_layout(scattermode="group")


def _make_figure(of: str) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(title=of, showgrid=False, type="category")
    figure.update_yaxes(
        title="CPM, mean sensitivity (0 to 1)",
        range=[0, 1.02],
        gridcolor="rgba(128,128,128,0.25)",
        zerolinecolor="rgba(128,128,128,0.5)",
    )
    return figure.update_layout(
        height=HEIGHT_PX,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 55, "r": 5, "t": 30, "b": 60},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        hovermode="closest",
    )


def _list_own_places(report: ArmReport) -> Places:
    """Give the CPM of a model at the sites for which it comes into question."""
    site = report.arm.site
    return [(name, cpm) for name, cpm in report.cpm_at_site.items() if site in {"", name}]


def _add_models(figure: go.Figure, kind: str, places: Places) -> None:
    """Add a small mark for each seed and a large one for their mean."""
    known = [(place, cpm) for place, cpm in places if cpm]
    color, symbol = STYLES[kind]
    seeds = [(place, value) for place, cpm in known for value in cpm.values]
    means = [(place, cpm.mean) for place, cpm in known]
    for points, size_px, opacity in ((means, 14, 1.0), (seeds, 6, 0.55)):
        figure.add_scatter(
            x=[place for place, _ in points],
            y=[value for _, value in points],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": size_px, "opacity": opacity},
            name=LEGEND[kind],
            legendgroup=kind,
            showlegend=points is means,
            offsetgroup=kind,
            hovertemplate="%{x}: CPM %{y:.3f}",
        )


def _to_html(figure: go.Figure, *, with_script: bool) -> str:
    html: str = figure.to_html(full_html=False, include_plotlyjs=with_script, config={"responsive": True})
    return html


def _list_cells(report: ArmReport) -> list[str]:
    values = report.cpm, report.auc, *report.cpm_at_site.values()
    return [report.arm.name, *(str(value or "-") for value in values)]


def _draw_line(tag: str, cells: Sequence[str]) -> str:
    first = f'<th scope="row">{escape(cells[0])}</th>' if tag == "td" else f"<th>{escape(cells[0])}</th>"
    return f"<tr>{first}{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells[1:])}</tr>"
