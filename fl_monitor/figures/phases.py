"""What a site does in a round, phase after phase, and how each looks, told apart without its colour."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import plotly.graph_objects as go

from fl_monitor.figures.style import NO_COLOR, PEER_COLOR
from fl_monitor.language import gettext as _
from fl_store.run_rows import RoundRow, SiteRoundRow


class Phase(Enum):
    """A part of a site's round; the value is the pattern that fills it in Plotly's words."""

    DOWN = "."
    UNDER_WAY = "x"
    TRAIN = ""
    EVALUATE = "/"
    UP = "-"
    WAIT = "outline"


def phase_names() -> dict[Phase, str]:
    """Return what the phases are called, in the order in which they come."""
    return {
        Phase.DOWN: _("model down"),
        Phase.UNDER_WAY: _("model down and answer up"),
        Phase.TRAIN: _("training"),
        Phase.EVALUATE: _("evaluation"),
        Phase.UP: _("answer up"),
        Phase.WAIT: _("waiting"),
    }


@dataclass(frozen=True)
class Span:
    """A phase from when to when, in seconds since the round began."""

    phase: Phase
    begin_s: float
    end_s: float


def spans_of(row: SiteRoundRow, of_round: RoundRow) -> list[Span]:
    """Return the phases of a site's round that are over, in order.

    Without the time at which the site began, down and up cannot be told apart: they are one phase, drawn
    before the work.
    """
    trained = _spans_of_step(
        Phase.TRAIN, row.train_sent_at, row.train_began_at, row.train_s, row.train_received_at
    )
    evaluated = _spans_of_step(
        Phase.EVALUATE, row.evaluate_sent_at, row.evaluate_began_at, row.evaluate_s, row.evaluate_received_at
    )
    waited = [
        (Phase.WAIT, row.train_received_at, row.evaluate_sent_at),
        (Phase.WAIT, row.evaluate_received_at, of_round.ended_at),
    ]
    spans = [
        Span(phase, _seconds(of_round, begin), _seconds(of_round, end))
        for phase, begin, end in (*trained, *evaluated, *waited)
        if begin is not None and end is not None and end > begin
    ]
    return sorted(spans, key=lambda span: span.begin_s)


Times = tuple[Phase, datetime | None, datetime | None]


def _spans_of_step(
    work: Phase,
    sent_at: datetime | None,
    began_at: datetime | None,
    work_s: float | None,
    received_at: datetime | None,
) -> list[Times]:
    """Divide the time from a question to its answer.

    When the site began is an estimate: it is kept so that no phase begins before the one ahead of it ends.
    """
    if sent_at is None or received_at is None or work_s is None:
        return [(Phase.DOWN, sent_at, began_at)]
    latest_begin = max(received_at - timedelta(seconds=work_s), sent_at)
    if began_at is None:
        return [(Phase.UNDER_WAY, sent_at, latest_begin), (work, latest_begin, received_at)]
    began_at = min(max(began_at, sent_at), latest_begin)
    ended_at = min(began_at + timedelta(seconds=work_s), received_at)
    return [
        (Phase.DOWN, sent_at, began_at),
        (work, began_at, ended_at),
        (Phase.UP, ended_at, received_at),
    ]


def _seconds(of_round: RoundRow, time: datetime) -> float:
    return round((time - of_round.started_at).total_seconds(), 3)


def phase_marker(phases: Iterable[Phase], color: str) -> dict[str, Any]:
    """Return how the bars of one trace are filled."""
    looks = list(phases)
    return {
        "color": [NO_COLOR if phase is Phase.WAIT else color for phase in looks],
        "pattern": {
            "shape": ["" if phase is Phase.WAIT else phase.value for phase in looks],
            "fgcolor": color,
            "bgcolor": NO_COLOR,
            "size": 5,
            "solidity": 0.4,
        },
        "line": {"color": color, "width": 1},
    }


def phase_keys(names: Mapping[Phase, str]) -> list[go.Bar]:
    """Return bars of nothing that explain the patterns in the legend of a figure."""
    return [
        go.Bar(
            x=[None],
            y=[None],
            name=name,
            marker=phase_marker([phase], PEER_COLOR),
            showlegend=True,
            hoverinfo="skip",
            meta={"site": ""},
        )
        for phase, name in names.items()
    ]


def show_keys(figure: go.Figure) -> None:
    """Give a figure the legend of its patterns, above it; it cannot be clicked."""
    legend = {
        "orientation": "h",
        "x": 0,
        "y": 1.02,
        "yanchor": "bottom",
        "itemclick": False,
        "itemdoubleclick": False,
        "traceorder": "normal",
    }
    figure.update_layout(showlegend=True, legend=legend)
