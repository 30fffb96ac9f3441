"""How much each site received and sent, by round."""

from collections.abc import Iterator, Mapping, Sequence

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.phases import Phase, phase_keys, phase_marker, show_keys
from fl_monitor.figures.progress import ROUNDS_TIMED
from fl_monitor.figures.style import (
    SiteRanks,
    bar_place,
    color_of,
    figure_by_round,
    in_order,
    tick_step,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.traffic import total_traffic
from fl_monitor.wording import size_text
from fl_store.run_rows import SiteRoundRow

BARS_SHOWN = 60
FEWEST_ROUNDS = 5


def traffic_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw how much each site received and sent, in each of the last rounds."""
    title = _("Traffic per site and round")
    shown = rows.rounds[-count_rounds_shown(len(ranks)) :]
    numbers = {row.round_no for row in shown}
    parts = [row for row in rows.site_rounds if row.round_no in numbers and row.site in ranks]
    if not any(row.bytes_down or row.bytes_up for row in parts):
        return Chart("traffic", title, empty=_("Nothing has been sent yet."))
    figure = figure_by_round(rows)
    names = {Phase.DOWN: _("received by the site"), Phase.UP: _("sent by the site")}
    for site in in_order({row.site for row in parts}, ranks):
        own = [row for row in parts if row.site == site]
        figure.add_traces(list(_traffic_bars(site, own, ranks, names)))
    figure.add_traces(phase_keys(names))
    figure.update_layout(barmode="overlay", bargap=0, hovermode="closest")
    first, last = shown[0].round_no, max(shown[-1].round_no, 5)
    figure.update_xaxes(range=[first - 0.5, last + 0.5], dtick=tick_step(last - first + 1))
    figure.update_yaxes(title=_("Traffic (MB)"), rangemode="tozero")
    show_keys(figure)
    note = _("The last {number} rounds.").format(number=len(shown)) if len(rows.rounds) > len(shown) else ""
    return Chart("traffic", title, note=note, alt=_describe_traffic(rows, ranks), figure=figure)


def count_rounds_shown(num_sites: int) -> int:
    """Return for how many rounds there is room: the more sites, the fewer."""
    return min(max(BARS_SHOWN // max(num_sites, 1), FEWEST_ROUNDS), ROUNDS_TIMED)


def _traffic_bars(
    site: str, own: Sequence[SiteRoundRow], ranks: SiteRanks, names: Mapping[Phase, str]
) -> Iterator[go.Bar]:
    """Stack what was sent upon what was received."""
    down_mb = [row.bytes_down / 1e6 for row in own]
    stacked = {
        Phase.DOWN: ([0.0] * len(own), down_mb),
        Phase.UP: (down_mb, [row.bytes_up / 1e6 for row in own]),
    }
    for phase, (base, sizes_mb) in stacked.items():
        words = _("{site}, {phase}, round {x}").format(site=site, phase=names[phase], x="%{x}")
        yield go.Bar(
            x=[row.round_no for row in own],
            y=sizes_mb,
            base=base,
            customdata=sizes_mb,
            name=site,
            marker=phase_marker([phase] * len(own), color_of(site, ranks)),
            hovertemplate=f"{words}: %{{customdata:.2f}} MB<extra></extra>",
            showlegend=False,
            meta={"site": site},
            **bar_place(site, ranks),
        )


def _describe_traffic(rows: RunRows, ranks: SiteRanks) -> str:
    parts = [
        _("{site} received {down} and sent {up}").format(
            site=site, down=size_text(total.bytes_down), up=size_text(total.bytes_up)
        )
        for site, total in total_traffic(rows, ranks).items()
    ]
    return _("Traffic of the whole run: {parts}.").format(parts=joined(parts))
