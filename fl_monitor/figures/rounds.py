"""What happened within a round: who did what when."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart, Frame
from fl_monitor.figures.phases import (
    Phase,
    Span,
    phase_keys,
    phase_marker,
    phase_names,
    show_keys,
    spans_of,
)
from fl_monitor.figures.style import (
    SiteRanks,
    color_of,
    empty_figure,
    in_order,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import number_text
from fl_store.run_rows import RoundRow

ROUNDS_SHOWN = 20
"""The slider goes through so many of the last rounds."""
LANE_PX = 44
PHASES_BELOW_PX = 190

Lanes = Mapping[str, Sequence[Span]]


def phases_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw what each site did when in one round, to be gone through with a slider."""
    title = _("Phases of a round")
    lanes_by_round = {row.round_no: _lanes_of(rows, ranks, row) for row in rows.rounds[-ROUNDS_SHOWN:]}
    frames = tuple(
        Frame(
            _("Round {x}").format(x=round_no),
            describe_phases(round_no, lanes),
            _phase_traces(lanes, ranks),
        )
        for round_no, lanes in lanes_by_round.items()
        if any(lanes.values())
    )
    if not frames:
        return Chart("phases", title, empty=_("Comes with the first answer of a site."), width=6)
    figure = empty_figure(revision=rows.run.run_id, barmode="overlay", bargap=0.35)
    figure.update_layout(hovermode="closest", height=PHASES_BELOW_PX + LANE_PX * max(len(ranks), 1))
    figure.update_xaxes(title=_("Time since the round began (s)"), rangemode="tozero")
    figure.update_yaxes(
        title=_("Site"),
        type="category",
        categoryorder="array",
        categoryarray=in_order(ranks, ranks)[::-1],
        range=[-0.5, max(len(ranks), 1) - 0.5],
    )
    show_keys(figure)
    figure.add_traces(list(frames[-1].data))
    note = _("A row is a site. What is not over yet is not drawn.")
    return Chart("phases", title, note=note, alt=frames[-1].alt, figure=figure, frames=frames, width=6)


def _lanes_of(rows: RunRows, ranks: SiteRanks, of_round: RoundRow) -> dict[str, list[Span]]:
    parts = {row.site: row for row in rows.site_rounds if row.round_no == of_round.round_no}
    return {site: spans_of(parts[site], of_round) for site in in_order(parts, ranks) if site in ranks}


def _phase_traces(lanes: Lanes, ranks: SiteRanks) -> list[go.Bar]:
    present = {span.phase for spans in lanes.values() for span in spans}
    names = {phase: name for phase, name in phase_names().items() if phase in present}
    bars = [_lane_bars(site, spans, ranks, names) for site, spans in lanes.items()]
    return [*bars, *phase_keys(names)]


def _lane_bars(site: str, spans: Sequence[Span], ranks: SiteRanks, names: Mapping[Phase, str]) -> go.Bar:
    return go.Bar(
        orientation="h",
        base=[span.begin_s for span in spans],
        x=[round(span.end_s - span.begin_s, 3) for span in spans],
        y=[site] * len(spans),
        name=site,
        marker=phase_marker([span.phase for span in spans], color_of(site, ranks)),
        customdata=[names[span.phase] for span in spans],
        hovertemplate="%{y}, %{customdata}: %{x:.1f} s<extra></extra>",
        showlegend=False,
        meta={"site": site},
    )


def describe_phases(round_no: int, lanes: Lanes) -> str:
    """Say how long each site was at what in a round."""
    names = phase_names()
    parts = [
        _("{site}: {phases}").format(site=site, phases=", ".join(_span_text(names, span) for span in spans))
        for site, spans in lanes.items()
        if spans
    ]
    return _("Phases of round {round_no}: {parts}.").format(round_no=round_no, parts=joined(parts))


def _span_text(names: Mapping[Phase, str], span: Span) -> str:
    seconds = number_text(span.end_s - span.begin_s, digits=1)
    return _("{phase} {seconds} s").format(phase=names[span.phase], seconds=seconds)
