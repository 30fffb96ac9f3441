"""What all charts have in common: who has which colour, and how a figure begins."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from fl_monitor.access import PEER
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_store.metrics import FEDERATION
from fl_store.run_rows import MetricRow

# After Okabe and Ito, Color Universal Design (2008); blue and orange moved to show on white and on black.
PALETTE = ("#1F83C6", "#D98C00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
FEDERATION_COLOR = "#777777"
PEER_COLOR = "#8C8C8C"
NO_COLOR = "rgba(0,0,0,0)"
SHADES = ((0, "rgba(31,131,198,0.04)"), (1, "rgba(31,131,198,0.6)"))
"""From little to much, seen through: the ink of the page is legible on all of them."""

SiteRanks = Mapping[str, int]


def site_colors(ranks: SiteRanks) -> dict[str, str]:
    """Return each site's colour."""
    return {site: color_of(site, ranks) for site in ranks}


def color_of(site: str, ranks: SiteRanks) -> str:
    """Return a site's colour, the same on every chart; one that may not be named is grey."""
    if site == FEDERATION:
        return FEDERATION_COLOR
    return PALETTE[ranks[site] % len(PALETTE)] if site in ranks else PEER_COLOR


def symbol_of(site: str, ranks: SiteRanks) -> str:
    """Return a marker that tells apart sites whose colours repeat, and colours that look alike."""
    if site not in ranks:
        return "circle"
    return SYMBOLS[(ranks[site] + ranks[site] // len(PALETTE)) % len(SYMBOLS)]


def label_of(site: str) -> str:
    """Return what a site is called on a chart."""
    if site == FEDERATION:
        return _("Federation")
    return _("Other site {number}").format(number=site.removeprefix(PEER)) if site.startswith(PEER) else site


def in_order(sites: Iterable[str], ranks: SiteRanks) -> list[str]:
    """Put sites in the order of drawing: those without a name, the others by rank, on top the federation."""
    return sorted(set(sites), key=lambda site: (site == FEDERATION, site in ranks, ranks.get(site, 0), site))


def sites_of(rows: RunRows) -> set[str]:
    """Return all sites of which there is something to draw, the federation among them."""
    return {row.site for row in rows.metrics} | {row.site for row in rows.site_rounds}


def line_style(site: str, ranks: SiteRanks, *, dash: str = "solid") -> dict[str, Any]:
    """Return how the line of a site looks: strong for the federation, faint for one without a name."""
    width = 3.5 if site == FEDERATION else 1.75 if site in ranks else 1
    return {"color": color_of(site, ranks), "width": width, "dash": dash}


def marker_style(site: str, ranks: SiteRanks) -> dict[str, Any]:
    """Return how the points of a site look."""
    size = 7 if site == FEDERATION else 6 if site in ranks else 3
    return {"size": size, "symbol": symbol_of(site, ranks)}


def bar_place(site: str, ranks: SiteRanks) -> dict[str, float]:
    """Return where the bar of a site stands in its round: side by side, in order of rank."""
    width = 0.8 / max(len(ranks), 1)
    return {"width": width, "offset": -0.4 + width * sorted(ranks.values()).index(ranks[site])}


def interval_bars(points: Sequence[MetricRow]) -> dict[str, Any] | None:
    """Return the two ends of each point's interval as plotly takes them; none where it is not known."""
    if all(row.interval_low is None for row in points):
        return None
    above = [_difference(row.interval_high, row.value) for row in points]
    below = [_difference(row.value, row.interval_low) for row in points]
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "thickness": 1,
        "width": 3,
    }


def _difference(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def empty_figure(*, revision: str, **layout: Any) -> go.Figure:
    """Return a figure without a trace; ``revision`` is what its zoom is kept for."""
    figure = go.Figure()
    figure.update_layout(
        template=None,
        uirevision=revision,
        showlegend=False,
        hovermode="x unified",
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        **layout,
    )
    return figure


def figure_by_round(rows: RunRows) -> go.Figure:
    """Return an empty figure over the rounds of a run."""
    return figure_by_rounds(rows.rounds[-1].round_no, revision=rows.run.run_id)


def figure_by_rounds(num_rounds: int, *, revision: str) -> go.Figure:
    """Return an empty figure over so many rounds."""
    last = max(num_rounds, 5)
    return empty_figure(
        revision=revision,
        xaxis={
            "title": _("Round (number)"),
            "range": [0.5, last + 0.5],
            "dtick": tick_step(last),
            "unifiedhovertitle": {"text": _("Round {x}").format(x="%{x}")},
        },
    )


def tick_step(num_rounds: int) -> int:
    """Return a round step that gives ten ticks or fewer."""
    return next(step for step in _TICK_STEPS if num_rounds <= 10 * step)


_TICK_STEPS = [factor * int(10**power) for power in range(9) for factor in (1, 2, 5)]
