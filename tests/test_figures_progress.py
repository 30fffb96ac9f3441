import json
from dataclasses import replace
from typing import Any

import pytest

from fl_monitor.blocks import Chart, to_plain
from fl_monitor.figures.froc import froc_chart
from fl_monitor.figures.progress import make_progress_charts
from fl_monitor.figures.style import PALETTE, PEER_COLOR, site_colors
from fl_monitor.snapshot import RunRows, SnapshotReader
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore

RANKS = {"east": 0, "north": 1, "south": 2}


@pytest.fixture
def rows(store: SqliteStore, rehearsal: Any) -> RunRows:
    rehearsal.play_into_the_third_round()
    return SnapshotReader(store).read(utc_now()).run


def charts(rows: RunRows) -> dict[str, Chart]:
    drawn = [*make_progress_charts(rows, RANKS), froc_chart(rows, RANKS)]
    return {chart.name: chart for chart in drawn}


def traces(chart: Chart) -> dict[str, Any]:
    return {trace.name: trace for trace in chart.figure.data}


def test_there_are_five_charts_and_every_axis_names_its_unit(rows: RunRows) -> None:
    titles = {
        name: (chart.figure.layout.xaxis.title.text, chart.figure.layout.yaxis.title.text)
        for name, chart in charts(rows).items()
    }
    assert titles == {
        "auc": ("Round (number)", "ROC AUC (0 to 1)"),
        "cpm": ("Round (number)", "CPM, mean sensitivity (0 to 1)"),
        "loss": ("Round (number)", "Loss (cross-entropy, nats)"),
        "seconds": ("Round (number)", "Time (s)"),
        "froc": ("False positives per scan (1/scan)", "Sensitivity (0 to 1)"),
    }


def test_line_holds_the_values_of_its_site_by_round(rows: RunRows) -> None:
    line = traces(charts(rows)["auc"])["north"]
    expected = [row.value for row in rows.metrics if row.site == "north" and row.metric is Metric.AUC]
    assert list(line.x) == [1, 2]
    assert list(line.y) == expected


def test_reply_is_drawn_before_its_round_is_over(rows: RunRows) -> None:
    lines = traces(charts(rows)["auc"])
    assert list(lines["east"].x) == [1, 2, 3]
    assert list(lines["Federation"].x) == [1, 2]


def test_undefined_value_is_a_gap(rows: RunRows) -> None:
    gap = MetricRow("run-1", 3, "north", Metric.AUC, None, 0, utc_now())
    line = traces(charts(replace(rows, metrics=(*rows.metrics, gap)))["auc"])["north"]
    assert line.y[2] is None


def test_site_has_one_colour_on_every_chart(rows: RunRows) -> None:
    for chart in charts(rows).values():
        for trace in chart.figure.data:
            if trace.meta["site"] == "south":
                assert PALETTE[2] in str(trace)
                assert not any(color in str(trace) for color in PALETTE if color != PALETTE[2])
    assert site_colors(RANKS)["south"] == PALETTE[2]


def test_sites_whose_colours_repeat_have_other_markers(rows: RunRows) -> None:
    ranks = {f"site-{i}": i for i in range(24)}
    rows = replace(rows, metrics=tuple(replace(rows.metrics[0], site=site) for site in ranks))
    looks = {
        (trace.line.color, trace.marker.symbol)
        for trace in make_progress_charts(rows, ranks)[0].figure.data
        if trace.meta["site"] in ranks
    }
    assert len(looks) == 24


def test_zoom_is_bound_to_the_run(rows: RunRows) -> None:
    assert {chart.figure.layout.uirevision for chart in charts(rows).values()} == {"run-1"}


def test_loss_shows_training_and_validation(rows: RunRows) -> None:
    lines = traces(charts(rows)["loss"])
    assert lines["east, training"].line.dash == "dot"
    assert lines["east, validation"].line.dash == "solid"
    assert "Federation, validation" in lines


def test_axis_reaches_down_to_a_value_below_chance(rows: RunRows) -> None:
    low = MetricRow("run-1", 3, "north", Metric.AUC, 0.31, 0, utc_now())
    assert charts(rows)["auc"].figure.layout.yaxis.range[0] == 0.5
    lower = charts(replace(rows, metrics=(*rows.metrics, low)))["auc"]
    assert lower.figure.layout.yaxis.range[0] == 0.3


def test_seconds_of_a_finished_round_add_up_to_it(rows: RunRows) -> None:
    bars = traces(charts(rows)["seconds"])
    training, evaluation, waiting = (bars[f"north, {part}"] for part in ("training", "evaluation", "waiting"))
    assert (training.y[0], evaluation.y[0]) == (2.1, 0.4)
    assert (training.base[0], evaluation.base[0], waiting.base[0]) == (0.0, 2.1, 2.5)
    assert waiting.base[0] + waiting.y[0] == pytest.approx(5.0)


def test_hover_tells_the_seconds_of_the_part_and_not_the_height_of_the_stack(rows: RunRows) -> None:
    bar = traces(charts(rows)["seconds"])["north, evaluation"]
    assert bar.customdata[0] == 0.4
    assert "%{customdata:.1f} s" in bar.hovertemplate


@pytest.mark.parametrize(("num_rounds", "step"), [(3, 1), (10, 1), (11, 2), (60, 10), (200, 20), (1000, 100)])
def test_rounds_are_ticked_in_round_steps(rows: RunRows, num_rounds: int, step: int) -> None:
    last = replace(rows.rounds[-1], round_no=num_rounds)
    chart = charts(replace(rows, rounds=(*rows.rounds, last)))["auc"]
    assert chart.figure.layout.xaxis.dtick == step


def test_waiting_is_not_known_before_the_round_is_over(rows: RunRows) -> None:
    assert traces(charts(rows)["seconds"])["east, waiting"].y[2] is None


def test_bars_of_sites_stand_side_by_side(rows: RunRows) -> None:
    bars = traces(charts(rows)["seconds"])
    offsets = [bars[f"{site}, training"].offset for site in RANKS]
    width = bars["east, training"].width
    assert offsets == pytest.approx([-0.4, -0.4 + width, -0.4 + 2 * width])
    assert offsets[-1] + width == pytest.approx(0.4)


def test_run_without_rounds_has_no_charts(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rows = SnapshotReader(store).read(utc_now()).run
    assert make_progress_charts(rows, {}) == []


def test_chart_data_can_be_written_as_json(rows: RunRows) -> None:
    plain = [to_plain(chart) for chart in make_progress_charts(rows, RANKS)]
    (first, *_) = json.loads(json.dumps(plain, allow_nan=False))
    assert (first["kind"], first["name"], first["width"], first["frames"]) == ("chart", "auc", 3, [])
    assert first["figure"]["layout"]["template"] == {}


def test_band_reaches_from_the_worst_site_to_the_best(rows: RunRows) -> None:
    worst, best = charts(rows)["auc"].figure.data[:2]
    values = [
        row.value
        for row in rows.metrics
        if (row.metric, row.round_no) == (Metric.AUC, 2) and row.site != FEDERATION
    ]
    assert (worst.y[1], best.y[1]) == (min(values), max(values))
    assert (worst.fill, best.fill) == (None, "tonexty")


def test_round_with_one_answer_has_no_band(rows: RunRows) -> None:
    assert list(charts(rows)["auc"].figure.data[0].x) == [1, 2]


def test_site_without_a_name_is_grey_and_has_a_number(rows: RunRows) -> None:
    peers = replace(
        rows, metrics=tuple(replace(row, site="~1") for row in rows.metrics if row.site == "south")
    )
    line = traces(charts(peers)["auc"])["Other site 1"]
    assert line.line.color == PEER_COLOR
