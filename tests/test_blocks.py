import json
from datetime import UTC, datetime

import plotly.graph_objects as go

from fl_monitor.blocks import Cell, Chart, Column, Frame, KeyFigure, KeyFigures, Note, Table, to_plain

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_block_says_its_kind_and_its_fields() -> None:
    assert to_plain(Note("n", "Title", text="Nothing yet.")) == {
        "kind": "note",
        "name": "n",
        "title": "Title",
        "width": 6,
        "text": "Nothing yet.",
        "tone": "calm",
    }


def test_table_holds_cells_and_texts() -> None:
    table = Table("t", "T", columns=(Column("A"),), lines=((Cell("a", at=NOON), "b"),))
    cell, text = to_plain(table)["lines"][0]
    assert (cell["text"], cell["at"], text) == ("a", NOON, "b")


def test_figure_and_frames_become_what_plotly_takes() -> None:
    trace = go.Scatter(x=[1], y=[2], meta={"site": "*"})
    chart = Chart("c", "C", figure=go.Figure([trace]), frames=(Frame("Round 1", "words", [trace]),))
    plain = json.loads(json.dumps(to_plain(chart)))
    assert plain["figure"]["data"][0]["y"] == [2]
    assert plain["frames"] == [
        {
            "label": "Round 1",
            "alt": "words",
            "data": [{"meta": {"site": "*"}, "type": "scatter", "x": [1], "y": [2]}],
        }
    ]


def test_chart_without_a_figure_has_none() -> None:
    assert to_plain(Chart("c", "C", empty="Comes later."))["figure"] is None


def test_key_figures_keep_gaps_of_their_trend() -> None:
    figures = KeyFigures("k", "K", figures=(KeyFigure("CPM", "0.5", "round 2", trend=(None, 0.5)),))
    assert to_plain(figures)["figures"][0]["trend"] == (None, 0.5)
