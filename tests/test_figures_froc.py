from dataclasses import replace
from typing import Any

import pytest

from fl_monitor.figures.froc import MOST_FRAMES, detection_chart, froc_by_round, froc_chart
from fl_monitor.snapshot import RunRows, SnapshotReader
from fl_store.metrics import DETECTION_SENSITIVITIES, FEDERATION, SENSITIVITIES, Metric
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore

RANKS = {"east": 0, "north": 1, "south": 2}


@pytest.fixture
def rows(store: SqliteStore, rehearsal: Any) -> RunRows:
    rehearsal.play_into_the_third_round()
    return SnapshotReader(store).read(utc_now()).run


def sensitivity_at_8(rows: RunRows, round_no: int) -> float:
    key = (FEDERATION, round_no, Metric.SENSITIVITY_AT_8)
    return next(row.value for row in rows.metrics if (row.site, row.round_no, row.metric) == key)


def test_curve_is_of_the_last_finished_round(rows: RunRows) -> None:
    chart = froc_chart(rows, RANKS)
    line = chart.figure.data[-1]
    assert line.name == "Federation"
    assert list(line.x) == [0.125, 0.25, 0.5, 1, 2, 4, 8]
    assert line.y[-1] == sensitivity_at_8(rows, 2)
    assert "round 2" in chart.note


def test_slider_has_a_frame_for_each_finished_round(rows: RunRows) -> None:
    frames = froc_by_round(rows, RANKS).frames
    assert [frame.label for frame in frames] == ["Round 1", "Round 2"]
    assert [frame.data[-1].y[-1] for frame in frames] == [sensitivity_at_8(rows, no) for no in (1, 2)]
    assert "at 8" in frames[0].alt


def test_slider_of_a_long_run_goes_through_the_last_rounds(rows: RunRows) -> None:
    many = tuple(replace(rows.rounds[0], round_no=no) for no in range(1, 251))
    frames = froc_by_round(replace(rows, rounds=many, metrics=()), RANKS).frames
    assert (len(frames), frames[-1].label) == (MOST_FRAMES, "Round 250")


def test_interval_is_drawn_around_its_value(rows: RunRows) -> None:
    sure = tuple(replace(row, value=0.5, interval_low=0.25, interval_high=0.625) for row in rows.metrics)
    line = froc_chart(replace(rows, metrics=sure), RANKS).figure.data[-1]
    assert (line.error_y.array[0], line.error_y.arrayminus[0]) == (0.125, 0.25)


def test_without_intervals_there_are_no_bars(rows: RunRows) -> None:
    assert froc_chart(rows, RANKS).figure.data[-1].error_y.array is None


def with_detection(rows: RunRows) -> RunRows:
    """Return the rows with those of whole scans in round 2, a tenth below those of given candidates."""
    whole = dict(zip(SENSITIVITIES, DETECTION_SENSITIVITIES, strict=True))
    whole[Metric.CPM] = Metric.DETECTION_CPM
    more = [
        replace(row, metric=whole[row.metric], value=row.value - 0.1)
        for row in rows.metrics
        if row.round_no == 2 and row.metric in whole
    ]
    totals = {Metric.CANDIDATE_SENSITIVITY: 0.97, Metric.CANDIDATES_PER_SCAN: 142.4}
    more += [replace(more[0], site=FEDERATION, metric=name, value=value) for name, value in totals.items()]
    return replace(rows, metrics=(*rows.metrics, *more))


def test_whole_scans_are_drawn_beside_given_candidates(rows: RunRows) -> None:
    chart = detection_chart(with_detection(rows), RANKS)
    assert chart is not None
    *_, federation, given = chart.figure.data
    assert (federation.name, given.name, given.line.dash) == ("Federation", "given candidates", "dot")
    assert given.y[-1] == sensitivity_at_8(rows, 2) == pytest.approx(federation.y[-1] + 0.1)
    assert "142 candidates a scan, and 0.97 of the nodules" in chart.note
    assert len(chart.figure.data) == 5


def test_without_whole_scans_there_is_no_chart_of_them(rows: RunRows) -> None:
    assert detection_chart(rows, RANKS) is None
