from dataclasses import replace

from fl_monitor.blocks import Chart
from fl_monitor.figures.rounds import phases_chart
from fl_monitor.figures.traffic import count_rounds_shown, traffic_chart
from fl_monitor.figures.waiting import own_waits_chart, stragglers_chart
from fl_monitor.stragglers import find_stragglers
from tests.site_rows import RANKS, ROUND, at, part, run_of

ROWS = run_of(part("north", train_began_at=at(1)), part("south", train_received_at=at(9)))


def axes(chart: Chart) -> tuple[str, str]:
    assert chart.figure
    return chart.figure.layout.xaxis.title.text, chart.figure.layout.yaxis.title.text


def test_every_axis_names_its_unit() -> None:
    assert axes(phases_chart(ROWS, RANKS)) == ("Time since the round began (s)", "Site")
    assert axes(traffic_chart(ROWS, RANKS)) == ("Round (number)", "Traffic (MB)")
    waits = stragglers_chart(ROWS, RANKS, find_stragglers(ROWS))
    assert axes(waits) == ("Round (number)", "Time waited for the last (s)")
    assert axes(own_waits_chart(ROWS, RANKS, "north")) == ("Round (number)", "Time waited (s)")


def test_bars_of_a_site_begin_where_the_phase_before_ends() -> None:
    (frame,) = phases_chart(ROWS, RANKS).frames
    bars = frame.data[0]
    assert (bars.name, list(bars.base)[:4], list(bars.x)[:4]) == ("north", [0, 1, 7, 8], [1, 6, 1, 2])
    assert frame.alt.startswith("Phases of round 1: north: model down 1.0 s, training 6.0 s, answer up 1.0 s")


def test_legend_names_the_phases_that_are_drawn_and_no_other() -> None:
    rows = run_of(part("north", train_began_at=at(1), evaluate_sent_at=None, evaluate_received_at=None))
    (frame,) = phases_chart(rows, RANKS).frames
    assert [trace.name for trace in frame.data if trace.showlegend] == ["model down", "training", "answer up"]


def test_slider_leaves_out_a_round_without_an_answer() -> None:
    asked = part("north", 2, train_received_at=None, evaluate_sent_at=None, evaluate_received_at=None)
    rows = run_of(part("north"), asked, rounds=[ROUND, replace(ROUND, round_no=2, ended_at=None)])
    assert [frame.label for frame in phases_chart(rows, RANKS).frames] == ["Round 1"]


def test_wait_is_drawn_in_the_colour_of_the_last_site() -> None:
    chart = stragglers_chart(ROWS, RANKS, find_stragglers(ROWS))
    assert chart.figure
    (bar,) = [trace for trace in chart.figure.data if trace.name == "south" and sum(trace.y)]
    assert list(bar.y) == [1.0]
    assert chart.alt.startswith("Waiting for the last site, round 1: south 1.0 s")


def test_own_wait_is_the_time_between_answers_and_what_comes_next() -> None:
    chart = own_waits_chart(ROWS, RANKS, "north")
    assert chart.figure
    assert list(chart.figure.data[0].y) == [2.0 + 6.0]


def test_sent_bytes_stand_upon_the_received() -> None:
    chart = traffic_chart(ROWS, RANKS)
    assert chart.figure
    received, sent = chart.figure.data[:2]
    assert (list(received.y), list(sent.base), list(sent.y)) == ([2.0], [2.0], [1.0])
    assert chart.alt.startswith("Traffic of the whole run: north received 2.0 MB and sent 1.0 MB")


def test_run_without_answers_says_when_each_chart_comes() -> None:
    nothing = run_of()
    charts = [phases_chart(nothing, RANKS), stragglers_chart(nothing, RANKS, [])]
    charts += [own_waits_chart(nothing, RANKS, "north"), traffic_chart(nothing, RANKS)]
    assert [(chart.figure, bool(chart.empty)) for chart in charts] == [(None, True)] * 4


def test_traffic_of_many_sites_is_shown_for_fewer_rounds() -> None:
    assert [count_rounds_shown(num_sites) for num_sites in (0, 3, 6, 12, 50)] == [20, 20, 10, 5, 5]
