"""For whom the sites waited in each round, and how long."""

from collections.abc import Sequence

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.phases import Phase, phase_keys, phase_marker, phase_names, show_keys, spans_of
from fl_monitor.figures.style import SiteRanks, color_of, figure_by_round, in_order
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.stragglers import Straggler
from fl_monitor.wording import number_text


def stragglers_chart(rows: RunRows, ranks: SiteRanks, stragglers: Sequence[Straggler]) -> Chart:
    """Draw for whom all others waited in each round, and how long."""
    title = _("Waiting for the last site")
    if not stragglers:
        return Chart("stragglers", title, empty=_("Comes when two sites have answered in a round."))
    figure = figure_by_round(rows)
    for site in in_order({each.site for each in stragglers}, ranks):
        for phase in (Phase.TRAIN, Phase.EVALUATE):
            own = [
                each for each in stragglers if (each.site, each.is_training) == (site, phase is Phase.TRAIN)
            ]
            figure.add_trace(_straggler_bars(site, phase, own, ranks))
    names = phase_names()
    figure.add_traces(phase_keys({phase: names[phase] for phase in (Phase.TRAIN, Phase.EVALUATE)}))
    figure.update_layout(barmode="stack", bargap=0.3, hovermode="closest")
    figure.update_yaxes(title=_("Time waited for the last (s)"), rangemode="tozero")
    show_keys(figure)
    note = _("How long all other sites had answered and waited; the colour is that of the last site.")
    alt = _describe_stragglers(stragglers)
    return Chart("stragglers", title, note=note, alt=alt, figure=figure)


def _straggler_bars(site: str, phase: Phase, own: Sequence[Straggler], ranks: SiteRanks) -> go.Bar:
    step = phase_names()[phase]
    words = _("Round {x}: {site} was last in {step}").format(x="%{x}", site=site, step=step)
    return go.Bar(
        x=[each.round_no for each in own],
        y=[round(each.waited_s, 3) for each in own],
        name=site,
        marker=phase_marker([phase] * len(own), color_of(site, ranks)),
        hovertemplate=f"{words}: %{{y:.1f}} s<extra></extra>",
        showlegend=False,
        meta={"site": site},
    )


def _describe_stragglers(stragglers: Sequence[Straggler]) -> str:
    last = stragglers[-1].round_no
    parts = [
        _("{site} {seconds} s").format(site=each.site, seconds=number_text(each.waited_s, digits=1))
        for each in stragglers
        if each.round_no == last
    ]
    return _("Waiting for the last site, round {round_no}: {parts}.").format(
        round_no=last, parts=joined(parts)
    )


def own_waits_chart(rows: RunRows, ranks: SiteRanks, site: str) -> Chart:
    """Draw how long one site waited for the others in each round."""
    title = _("Waiting for the other sites")
    rounds = {row.round_no: row for row in rows.rounds}
    waits = {
        row.round_no: sum(
            span.end_s - span.begin_s
            for span in spans_of(row, rounds[row.round_no])
            if span.phase is Phase.WAIT
        )
        for row in rows.site_rounds
        if row.site == site and row.train_received_at
    }
    if not waits:
        return Chart("stragglers", title, empty=_("Comes with the first answer of your site."))
    figure = figure_by_round(rows)
    figure.add_trace(
        go.Bar(
            x=list(waits),
            y=[round(seconds, 3) for seconds in waits.values()],
            name=site,
            marker=phase_marker([Phase.WAIT] * len(waits), color_of(site, ranks)),
            hovertemplate="%{y:.1f} s",
            meta={"site": site},
        )
    )
    figure.update_yaxes(title=_("Time waited (s)"), rangemode="tozero")
    note = _("Which site was last is shown to the coordinator and to analysts only.")
    waited = number_text(list(waits.values())[-1], digits=1)
    alt = _("Waiting for the other sites: {seconds} s in round {round_no}.").format(
        seconds=waited, round_no=list(waits)[-1]
    )
    return Chart("stragglers", title, note=note, alt=alt, figure=figure)
