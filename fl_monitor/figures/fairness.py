"""Whether the model is as good for one site as for another: the worst site beside the mean of all."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import plotly.graph_objects as go

from fl_monitor.blocks import Chart
from fl_monitor.figures.progress import metric_line
from fl_monitor.figures.style import (
    PEER_COLOR,
    SiteRanks,
    color_of,
    figure_by_round,
    label_of,
    symbol_of,
)
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import number_text
from fl_store.metrics import FEDERATION, Metric

LEAST_SITES = 2


@dataclass(frozen=True)
class Spread:
    """The scores of the sites in one round: their mean, and the least with its site."""

    round_no: int
    mean: float
    worst: float
    worst_site: str

    @property
    def gap(self) -> float:
        """How far the worst site is below the mean."""
        return self.mean - self.worst


def find_spreads(rows: RunRows, metric: Metric) -> list[Spread]:
    """Return the spread of each finished round in which at least two sites have a score."""
    finished = {row.round_no for row in rows.rounds if row.ended_at}
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    for row in rows.metrics:
        if row.metric is metric and row.site != FEDERATION and row.value is not None:
            scores[row.round_no][row.site] = row.value
    return [
        _spread_of(round_no, of_round)
        for round_no, of_round in sorted(scores.items())
        if round_no in finished and len(of_round) >= LEAST_SITES
    ]


def _spread_of(round_no: int, scores: Mapping[str, float]) -> Spread:
    worst = min(scores, key=lambda site: scores[site])
    return Spread(round_no, fmean(scores.values()), scores[worst], worst)


def fairness_chart(rows: RunRows, ranks: SiteRanks, metric: Metric) -> Chart:
    """Draw the worst site beside the mean of the sites and the federation, by round."""
    name = _("ROC AUC") if metric is Metric.AUC else _("CPM")
    title = _("Fairness: {score}").format(score=name)
    spreads = find_spreads(rows, metric)
    if not spreads:
        return Chart(f"fairness-{metric}", title, empty=_("Comes when two sites have a score in a round."))
    figure = figure_by_round(rows)
    figure.add_traces(
        [metric_line(rows, ranks, FEDERATION, metric), _mean_line(spreads), _worst_line(spreads, ranks)]
    )
    figure.update_yaxes(title=_("{score} (0 to 1)").format(score=name))
    last = spreads[-1]
    gap = _("After round {round_no} the worst site, {site}, is {gap} below the mean of the sites ({mean}).")
    said = gap.format(
        round_no=last.round_no,
        site=label_of(last.worst_site),
        gap=number_text(last.gap),
        mean=number_text(last.mean),
    )
    key = _("Strong line: the federation, pooled. Dashed: mean of the sites. Dotted: the worst site.")
    return Chart(f"fairness-{metric}", title, note=f"{said} {key}", alt=f"{title}. {said}", figure=figure)


def _mean_line(spreads: list[Spread]) -> go.Scatter:
    return go.Scatter(
        x=[each.round_no for each in spreads],
        y=[each.mean for each in spreads],
        name=_("Mean of the sites"),
        mode="lines",
        line={"color": PEER_COLOR, "width": 2, "dash": "dash"},
        hovertemplate="%{y:.3f}",
        meta={"site": ""},
    )


def _worst_line(spreads: list[Spread], ranks: SiteRanks) -> go.Scatter:
    """Draw the least score; its points have the look of the site that has it."""
    sites = [each.worst_site for each in spreads]
    return go.Scatter(
        x=[each.round_no for each in spreads],
        y=[each.worst for each in spreads],
        customdata=list(map(label_of, sites)),
        name=_("Worst site"),
        mode="lines+markers",
        line={"color": PEER_COLOR, "width": 1.5, "dash": "dot"},
        marker={
            "color": [color_of(site, ranks) for site in sites],
            "symbol": [symbol_of(site, ranks) for site in sites],
            "size": 8,
        },
        hovertemplate="%{y:.3f} (%{customdata})",
        meta={"site": ""},
    )
