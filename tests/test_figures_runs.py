from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fl_monitor.blocks import Chart
from fl_monitor.figures.runs import compare_charts, label_runs, run_colors, smooth
from fl_monitor.snapshot import RunRows
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow, RunRow
from fl_store.words import RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(run_id: str, *cpms: float | None, name: str = "") -> RunRows:
    """A run with a CPM in each round, of the federation and of a site."""
    metrics = [
        MetricRow(run_id, no, site, Metric.CPM, cpm, 9, NOON)
        for no, cpm in enumerate(cpms, start=1)
        for site in (FEDERATION, "north")
    ]
    return RunRows(RunRow(run_id, name or run_id, RunState.FINISHED, 4, {}, NOON), metrics=tuple(metrics))


def cpm_chart(*runs: RunRows, smoothing: float = 0.0) -> Chart:
    return compare_charts(runs, smoothing)[0]


def traces(chart: Chart) -> list[Any]:
    assert chart.figure is not None
    return list(chart.figure.data)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0.0, [4.0, 8.0, 2.0]), (0.5, [4.0, 10 / 1.5, 7 / 1.75])],
)
def test_smoothing_weighs_earlier_values_less_and_less(weight: float, expected: list[float]) -> None:
    assert smooth([4.0, 8.0, 2.0], weight) == pytest.approx(expected)


def test_smoothing_leaves_out_what_is_not_known() -> None:
    assert smooth([None, 4.0, None, 8.0], 0.5) == pytest.approx([None, 4.0, None, 10 / 1.5])


def test_there_are_three_charts_and_every_axis_names_its_unit() -> None:
    titles = {chart.name: chart.title for chart in compare_charts([run("a", 0.5)], 0.0)}
    assert titles == {
        "runs-cpm": "CPM",
        "runs-auc": "ROC AUC",
        "runs-validation_loss": "Validation loss",
    }
    layout = cpm_chart(run("a", 0.5)).figure.layout
    assert layout.xaxis.title.text == "Round (number)"
    assert layout.yaxis.title.text == "CPM, mean sensitivity (0 to 1)"


def test_line_holds_the_federations_values_alone() -> None:
    (line,) = traces(cpm_chart(run("a", 0.25, 0.5)))
    assert (list(line.x), list(line.y)) == ([1, 2], [0.25, 0.5])


def test_five_runs_differ_in_colour_in_dash_and_in_marker() -> None:
    lines = traces(cpm_chart(*(run(name, 0.5, 0.6) for name in "abcde")))
    assert len({line.line.color for line in lines}) == 5
    assert len({line.line.dash for line in lines}) == 5
    assert len({line.marker.symbol for line in lines}) == 5


def test_colour_of_a_line_is_that_of_the_table() -> None:
    runs = [run("a", 0.5), run("b", 0.5)]
    assert [line.line.color for line in traces(cpm_chart(*runs))] == list(run_colors(runs).values())


def test_smoothed_chart_says_so_and_keeps_the_values_faintly() -> None:
    chart = cpm_chart(run("a", 0.25, 0.5), smoothing=0.5)
    points, line = traces(chart)
    assert chart.title == "CPM, smoothed 0.50"
    assert chart.note == "Lines: exponential means. Faint points: the values themselves."
    assert (points.mode, list(points.y)) == ("markers", [0.25, 0.5])
    assert points.opacity < 0.5
    assert list(line.y) == pytest.approx([0.25, 0.625 / 1.5])
    assert list(line.customdata) == [0.25, 0.5]


def test_runs_of_one_name_are_told_apart_by_their_ids() -> None:
    runs = [run("a", name="Pilot"), run("b", name="Pilot"), run("c", name="Other")]
    assert label_runs(runs) == {"a": "Pilot (a)", "b": "Pilot (b)", "c": "Other"}


def test_name_of_a_run_is_text_to_plotly() -> None:
    (line,) = traces(cpm_chart(run("a", 0.5, name='<a href="x">A & B</a>')))
    assert line.name == '&lt;a href="x"&gt;A &amp; B&lt;/a&gt;'


def test_chart_in_words_says_the_last_value_of_each_run() -> None:
    assert cpm_chart(run("a", 0.25, 0.5, None), run("b", 0.75)).alt == (
        "CPM by round: a 0.500 in round 2; b 0.750 in round 1."
    )


def test_runs_without_a_round_are_one_sentence() -> None:
    chart = cpm_chart(run("a"))
    assert chart.figure is None
    assert chart.empty == "No round of these runs is over yet."


def test_other_runs_have_another_zoom() -> None:
    one, other = cpm_chart(run("a", 0.5)), cpm_chart(replace(run("b", 0.5)))
    assert one.figure.layout.uirevision != other.figure.layout.uirevision
