from dataclasses import replace

import pytest

from fl_monitor.figures.by_diameter import diameter_chart
from fl_monitor.figures.calibration import calibration_error_chart, reliability_chart
from fl_monitor.figures.fairness import fairness_chart, find_spreads
from fl_monitor.figures.shift import shift_charts
from fl_store.metrics import FEDERATION, Curve, Metric
from fl_store.rows import DataShiftRow
from fl_store.run_rows import CurveRow
from tests.site_rows import NOON, RANKS, ROUND, run_of, score

POINTS = {"mean_probability": [0.1, 0.9], "share_positive": [0.05, 0.7], "num_examples": [900, 10]}
CURVE = CurveRow("run-1", 1, FEDERATION, Curve.RELIABILITY, POINTS, NOON)
CPMS = (
    score(FEDERATION, Metric.CPM, 0.8),
    score("north", Metric.CPM, 0.9),
    score("south", Metric.CPM, 0.6),
)


def test_sensitivity_by_diameter_says_of_how_many_nodules_it_is() -> None:
    small = score(
        FEDERATION, Metric.CPM_BELOW_6_MM, 0.4, num_examples=42, interval_low=0.3, interval_high=0.6
    )
    chart = diameter_chart(run_of(metrics=(small,)), RANKS)
    assert chart.figure
    (points,) = chart.figure.data
    assert (list(points.x), list(points.y)) == (["below 6<br>n = 42"], [0.4])
    assert points.error_y.array[0] == pytest.approx(0.2)
    assert points.error_y.arrayminus[0] == pytest.approx(0.1)
    assert chart.alt.endswith("below 6 mm 0.400 of 42 nodules.")


def test_band_without_a_nodule_has_no_point() -> None:
    nothing = score(FEDERATION, Metric.CPM_FROM_15_MM, None, num_examples=0)
    chart = diameter_chart(run_of(metrics=(nothing,)), RANKS)
    assert chart.figure
    assert list(chart.figure.data[0].y) == [None]
    assert chart.alt.endswith("15 and more mm – of 0 nodules.")  # noqa: RUF001 - an en dash is meant


def test_reliability_is_drawn_beside_the_diagonal() -> None:
    chart = reliability_chart(run_of(curves=(CURVE,)), RANKS)
    assert chart.figure
    diagonal, line = chart.figure.data
    assert (list(diagonal.x), list(diagonal.y), diagonal.line.dash) == ([0, 1], [0, 1], "dash")
    assert (list(line.x), list(line.y), list(line.customdata)) == ([0.1, 0.9], [0.05, 0.7], ["900", "10"])
    assert chart.alt.endswith("0.05 at 0.10; 0.70 at 0.90.")


def test_run_without_curves_or_bands_says_when_they_come() -> None:
    nothing = run_of()
    charts = [reliability_chart(nothing, RANKS), calibration_error_chart(nothing, RANKS)]
    charts += [diameter_chart(nothing, RANKS), fairness_chart(nothing, RANKS, Metric.AUC)]
    assert [(chart.figure, bool(chart.empty)) for chart in charts] == [(None, True)] * 4


def test_gap_is_between_the_worst_site_and_the_mean_of_the_sites() -> None:
    (spread,) = find_spreads(run_of(metrics=CPMS), Metric.CPM)
    assert (spread.worst_site, spread.worst, spread.mean) == ("south", 0.6, 0.75)
    assert spread.gap == pytest.approx(0.15)
    chart = fairness_chart(run_of(metrics=CPMS), RANKS, Metric.CPM)
    said = "After round 1 the worst site, south, is 0.150 below the mean of the sites (0.750)."
    assert chart.note.startswith(said)
    assert said in chart.alt


def test_round_that_goes_on_or_has_one_score_has_no_gap() -> None:
    assert find_spreads(run_of(metrics=CPMS, rounds=[replace(ROUND, ended_at=None)]), Metric.CPM) == []
    assert find_spreads(run_of(metrics=CPMS[:2]), Metric.CPM) == []


def shift(distance: float | None) -> DataShiftRow:
    return DataShiftRow("north", "south", "hu", distance, None if distance is None else 0.3, NOON)


@pytest.mark.parametrize(
    ("distance", "text"), [(0.25, "0.25"), (0.41, "<b>0.41 !</b>"), (None, "cannot<br>be told")]
)
def test_cell_is_marked_where_chance_does_not_explain_it(distance: float | None, text: str) -> None:
    (chart,) = shift_charts([shift(distance)], RANKS)
    assert chart.figure
    cells, texts = chart.figure.data
    assert (list(cells.x), list(cells.y), list(cells.z)) == (
        ["north", "south"],
        ["south", "north"],
        [distance] * 2,
    )
    assert list(texts.text) == [text] * 2


def test_pairs_that_differ_are_named_under_the_title() -> None:
    (chart,) = shift_charts([shift(0.41)], RANKS)
    assert chart.note.endswith("More than chance explains (!): north – south.")  # noqa: RUF001
    assert "north and south: distance 0.410, by chance up to 0.300" in chart.alt
    assert "No two sites differ" in shift_charts([shift(0.2)], RANKS)[0].note


def test_many_sites_have_marks_alone_and_the_number_of_pairs() -> None:
    many = [replace(shift(0.41 if no else None), other_site=f"site-{no}") for no in range(7)]
    (chart,) = shift_charts(many, RANKS)
    assert chart.figure
    assert list(chart.figure.data[1].text)[:2] == ["?", "<b>!</b>"]
    assert "6 of 7 pairs" in chart.note
