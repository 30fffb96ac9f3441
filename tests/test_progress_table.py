import io
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from fl_server.progress_table import RunView, describe_round, draw_run
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow, RoundRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState, SiteRoundState


def draw(view: RunView, now: datetime | None = None) -> str:
    """Return what a terminal of 140 columns shows."""
    paper = io.StringIO()
    Console(file=paper, width=140).print(draw_run(view, now))
    return paper.getvalue()


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the table row that begins with ``first``."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    return next(row for row in rows if row[0] == first)


def test_run_without_a_round_shows_its_state(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start(RunState.WAITING)
    assert draw(RunView.read(store, "run-1")) == "Run run-1  waiting for sites\n"


def test_finished_round_shows_the_numbers_of_the_federation(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    values = {row.metric: row.value for row in store.get(MetricRow, site=FEDERATION)}
    shown = cells(draw(RunView.read(store, "run-1")), "1")
    keys = (Metric.AUC, Metric.CPM, Metric.TRAIN_LOSS, Metric.VALIDATION_LOSS)
    assert shown == ["1", *(f"{values[key]:.3f}" for key in keys), "5.0"]


def test_site_shows_its_state_seconds_and_scores(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.begin_round(1)
    rehearsal.reply(1, "north")
    text = draw(RunView.read(store, "run-1"))
    assert "Sites in round 1" in text
    assert cells(text, "north")[:5] == ["north", "done", "2.1", "0.4", "120"]
    assert cells(text, "east") == ["east", "training", "-", "-", "-", "-", "-"]


def test_undefined_number_is_a_dash(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    store.put([MetricRow("run-1", 1, FEDERATION, Metric.CPM, None, 0, utc_now())])
    view = RunView.read(store, "run-1")
    assert cells(draw(view), "1")[2] == "-"
    assert "CPM -  " in describe_round(view, view.rounds[0])


def test_reason_of_a_failure_is_shown_as_it_is_written(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.begin_round(1)
    failed = SiteRoundRow("run-1", 1, "north", SiteRoundState.FAILED, utc_now(), reason="[/bold] [red]x")
    store.put([failed])
    assert cells(draw(RunView.read(store, "run-1")), "north")[1] == "failed: [/bold] [red]x"


def test_only_the_latest_rounds_are_shown(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    store.put([RoundRow("run-1", round_no, utc_now(), utc_now()) for round_no in range(1, 31)])
    text = draw(RunView.read(store, "run-1"))
    assert cells(text, "21")
    assert cells(text, "30")
    with pytest.raises(StopIteration):
        cells(text, "20")


@pytest.mark.parametrize(("num_finished", "shown"), [(0, "round 1 of 3"), (2, "round 3 of 3")])
def test_headline_tells_the_present_round(
    num_finished: int, shown: str, store: SqliteStore, rehearsal: Any
) -> None:
    rehearsal.run = replace(rehearsal.run, num_rounds=3)
    rehearsal.start()
    for round_no in range(1, num_finished + 1):
        rehearsal.play_round(round_no)
    assert shown in draw(RunView.read(store, "run-1")).split("\n")[0]


def test_headline_never_tells_more_rounds_than_there_are(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.run = replace(rehearsal.run, num_rounds=1)
    rehearsal.start()
    rehearsal.play_round(1)
    assert "round 1 of 1" in draw(RunView.read(store, "run-1"))


def test_time_left_is_the_mean_of_rounds_times_those_to_come(store: SqliteStore, rehearsal: Any) -> None:
    started_at = utc_now()
    rehearsal.start()
    view = RunView.read(store, "run-1")
    assert view.seconds_left(started_at) is None
    rehearsal.play_round(1, started_at)
    rehearsal.play_round(2, started_at + timedelta(seconds=5))
    ended_at = started_at + timedelta(seconds=10)
    view = RunView.read(store, "run-1")
    assert view.seconds_left(ended_at) == pytest.approx(8 * 5)
    assert view.seconds_left(ended_at + timedelta(seconds=3)) == pytest.approx(8 * 5 - 3)
    assert view.seconds_left(ended_at + timedelta(hours=1)) == 0
    assert "about 37 s left" in draw(view, ended_at + timedelta(seconds=3))


@pytest.mark.parametrize(("num_rounds", "shown"), [(61, "about 5 min left"), (7201, "about 10.0 h left")])
def test_long_time_left_is_in_minutes_or_hours(
    num_rounds: int, shown: str, store: SqliteStore, rehearsal: Any
) -> None:
    rehearsal.run = replace(rehearsal.run, num_rounds=num_rounds)
    rehearsal.start()
    started_at = utc_now()
    rehearsal.play_round(1, started_at)
    assert shown in draw(RunView.read(store, "run-1"), started_at + timedelta(seconds=5))


def test_finished_run_shows_no_round_to_come(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    rehearsal.start(RunState.FINISHED)
    assert draw(RunView.read(store, "run-1")).split("\n")[0].strip() == "Run run-1  finished"


def test_round_is_one_line_for_a_log(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    view = RunView.read(store, "run-1")
    line = describe_round(view, view.rounds[0])
    assert line.startswith("round 1/10  pooled AUC 0.")
    assert line.endswith("  5.0 s")
    assert "\n" not in line


def test_number_that_was_not_finite_is_named(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    lost = MetricRow("run-1", 1, FEDERATION, Metric.TRAIN_LOSS, None, 9, utc_now(), NotFinite.NAN)
    store.put([lost])
    assert cells(draw(RunView.read(store, "run-1")), "1")[3] == "nan"
