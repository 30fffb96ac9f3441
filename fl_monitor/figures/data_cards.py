"""The histograms of the sites' data cards beside one another."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.data_cards import (
    HISTOGRAMS,
    Histogram,
    counted_text,
    histogram_axis,
    histogram_title,
    histograms_by_site,
)
from fl_monitor.figures.style import SiteRanks, color_of, empty_figure, in_order
from fl_monitor.language import gettext as _
from fl_store.rows import DataCardRow

WITHHELD = "?"
PATTERNS = ("", "/", ".", "x", "-", "\\")
"""Tell sites apart without their colours, with the order of their bars."""


def card_charts(cards: Sequence[DataCardRow], ranks: SiteRanks) -> list[Chart]:
    """Draw each histogram that at least one site tells."""
    shown = {name: histograms_by_site(cards, name) for name in HISTOGRAMS}
    return [_histogram_chart(name, by_site, ranks) for name, by_site in shown.items() if by_site]


def _histogram_chart(name: str, by_site: Mapping[str, Histogram], ranks: SiteRanks) -> Chart:
    figure = empty_figure(revision=name, barmode="group", bargap=0.25)
    for site in in_order(by_site, ranks):
        figure.add_trace(_histogram_bars(site, by_site[site], ranks))
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(title=histogram_axis(name), type="category")
    figure.update_yaxes(title=counted_text(name), rangemode="tozero")
    return Chart(
        f"card-{name}",
        histogram_title(name),
        note=withheld_text(by_site),
        alt=_describe_histogram(name, by_site, ranks),
        figure=figure,
        width=HISTOGRAMS[name],
    )


def _histogram_bars(site: str, histogram: Histogram, ranks: SiteRanks) -> go.Bar:
    """Draw the shares of a site; what it withholds is a question mark, not a bar."""
    shares = histogram.shares
    color = color_of(site, ranks)
    return go.Bar(
        x=histogram.bins,
        y=[0 if share is None else round(100 * share, 2) for share in shares],
        text=[WITHHELD if share is None else "" for share in shares],
        customdata=[_("withheld") if share is None else f"{100 * share:.1f} %" for share in shares],
        textposition="outside",
        textangle=0,
        cliponaxis=False,
        name=site,
        marker={
            "color": color,
            "line": {"color": color, "width": 1},
            "pattern": {
                "shape": PATTERNS[ranks.get(site, 0) % len(PATTERNS)],
                "fillmode": "replace",
                "size": 6,
                "solidity": 0.5,
            },
        },
        hovertemplate="%{customdata}",
        meta={"site": site},
    )


def withheld_text(by_site: Mapping[str, Histogram]) -> str:
    """Say what the sites withhold, if anything."""
    parts = [
        _("{site}: {bins}").format(site=site, bins=", ".join(histogram.withheld))
        for site, histogram in by_site.items()
        if histogram.withheld
    ]
    if not parts:
        return _("Nothing is withheld.")
    return _("Withheld, since fewer than 5 scans would be described (?): {parts}.").format(
        parts="; ".join(parts)
    )


def _describe_histogram(name: str, by_site: Mapping[str, Histogram], ranks: SiteRanks) -> str:
    parts = []
    for site in in_order(by_site, ranks):
        told = zip(by_site[site].bins, by_site[site].shares, strict=True)
        shares = [f"{name} {100 * share:.0f} %" for name, share in told if share]
        parts.append(_("{site} {shares}").format(site=site, shares=", ".join(shares)))
    return _("{title} by site: {parts}.").format(title=histogram_title(name), parts=joined(parts))
