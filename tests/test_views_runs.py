from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fl_monitor.blocks import Block, Cell, Note, Table
from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import RunRows, Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views import runs
from fl_monitor.views.runs import duration_text, read_smoothing
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.run_rows import CheckpointRow, MetricRow, RoundRow, RunRequestRow, RunRow
from fl_store.words import Role, RunRequest, RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRST = RunRow("run-1", "Pilot", RunState.FINISHED, 4, {}, NOON, NOON + timedelta(minutes=90))
SECOND = RunRow("run-2", "Second", RunState.RUNNING, 8, {}, NOON + timedelta(days=1))
LAST = CheckpointRow("run-1", "last", 4, "last.safetensors", "f" * 64, 9, 0.5, 0.75, NOON)
BEST = replace(LAST, kind="best", round_no=3, cpm=0.625)


def seen(*tables: Any, chosen: ChosenRuns | None = None, **params: str) -> Seen:
    by_kind: dict[type[Any], tuple[Any, ...]] = {}
    for row in tables:
        by_kind[type(row)] = (*by_kind.get(type(row), ()), row)
    snapshot = Snapshot(NOON, None, (), (), 0, {}, tables=by_kind)
    return Seen(Viewer("anna", Role.ANALYST), snapshot, chosen or ChosenRuns(), params)


def blocks(looked: Seen) -> dict[str, Block]:
    return {block.name: block for part in runs.make(looked).parts for block in part.make(*part.sources)}


def table(looked: Seen, name: str = "runs") -> Table:
    found = blocks(looked)[name]
    assert isinstance(found, Table)
    return found


def words(line: tuple[Any, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]


def first_words(looked: Seen) -> list[str]:
    return [words(line)[0] for line in table(looked).lines]


def finished(run: RunRow = FIRST, *metrics: MetricRow) -> RunRows:
    return RunRows(run, rounds=(RoundRow(run.run_id, 3, NOON, NOON),), metrics=metrics)


def number(metric: Metric, value: float | None, **more: Any) -> MetricRow:
    return MetricRow("run-1", 3, FEDERATION, metric, value, 360, NOON, **more)


def test_newest_run_comes_first() -> None:
    assert first_words(seen(FIRST, SECOND)) == ["Second", "Pilot"]


def test_line_of_a_run_says_what_it_came_to() -> None:
    failed = replace(FIRST, state=RunState.FAILED, reason="No site was left.")
    (line,) = table(seen(failed, LAST, BEST)).lines
    assert words(line) == [
        "Pilot",
        "run-1",
        "failed",
        "",
        "1 h 30 min",
        "4 / 4",
        "0.500 · 0.750 (4)",
        "0.625 · 0.750 (3)",
        "No site was left.",
    ]
    assert isinstance(line[3], Cell)
    assert line[3].at == NOON


def test_run_that_goes_on_shows_when_it_began_and_no_model_is_a_dash() -> None:
    (line,) = table(seen(SECOND)).lines
    assert line[4] == Cell("began", at=SECOND.started_at, is_age=True)
    assert words(line)[5:8] == ["0 / 8", DASH, DASH]


def test_request_shows_beside_the_state_until_it_is_done() -> None:
    asked = RunRequestRow("run-2", RunRequest.PAUSE, "carl", NOON)
    paused = replace(SECOND, state=RunState.PAUSED)
    assert words(table(seen(SECOND, asked)).lines[0])[2] == "running, pause asked"
    assert words(table(seen(paused, asked)).lines[0])[2] == "paused"


@pytest.mark.parametrize(
    ("find", "found"),
    [("pilot", ["Pilot"]), ("RUN-2", ["Second"]), ("run fin", ["Pilot"]), ("  ", ["Second", "Pilot"])],
)
def test_filter_looks_at_name_id_and_state(find: str, found: list[str]) -> None:
    assert first_words(seen(FIRST, SECOND, find=find)) == found


def test_filter_says_how_many_it_found() -> None:
    assert table(seen(FIRST, SECOND, find="pilot")).note == "1 of 2 runs match."
    assert table(seen(FIRST, find="x")).empty == "No run matches x."
    assert table(seen()).empty == "No run yet."


def test_name_of_a_run_leads_to_its_rounds() -> None:
    (line,) = table(seen(replace(FIRST, run_id="a/b c"))).lines
    assert isinstance(line[0], Cell)
    assert line[0].href == "/rounds?run=a%2Fb%20c"


def test_nothing_is_compared_before_somebody_chooses() -> None:
    assert set(blocks(seen(FIRST))) == {"runs"}


def test_chosen_runs_have_charts_numbers_and_exports() -> None:
    chosen = ChosenRuns(compared=(finished(FIRST), finished(SECOND)))
    names = ["runs-cpm", "runs-auc", "runs-validation_loss", "run-numbers", "exports", "runs"]
    assert list(blocks(seen(FIRST, SECOND, chosen=chosen))) == names


def test_run_that_is_not_there_is_one_sentence() -> None:
    note = blocks(seen(FIRST, chosen=ChosenRuns(missing=("gone",))))["missing"]
    assert isinstance(note, Note)
    assert note.text == "There is no run gone, or no longer."


def test_last_numbers_stand_side_by_side_with_n_and_interval() -> None:
    good = finished(FIRST, number(Metric.CPM, 0.5, interval_low=0.25, interval_high=0.75))
    bad = finished(SECOND, number(Metric.CPM, None, not_finite=NotFinite.NAN))
    shown = table(seen(chosen=ChosenRuns(compared=(good, bad))), "run-numbers")
    assert [column.title for column in shown.columns] == ["Number", "Pilot", "Second"]
    assert [words(line) for line in shown.lines] == [
        ["Run", "run-1", "run-2"],
        ["State", "finished", "running"],
        ["Round", "3 of 4", "3 of 8"],
        ["CPM", "0.500 [0.250, 0.750], n = 360", "nan, n = 360"],
    ]


def test_export_links_name_the_runs_that_are_shown() -> None:
    chosen = ChosenRuns(compared=(finished(FIRST), finished(SECOND)))
    lines = table(seen(chosen=chosen), "exports").lines
    links = [cell.href for (cell,) in lines if isinstance(cell, Cell)]
    assert links == [f"/api/export/runs.{kind}?p_runs=run-1%2Crun-2" for kind in ("csv", "json")]


@pytest.mark.parametrize(
    ("asked", "weight"),
    [("0.6", 0.6), ("2", 0.95), ("-1", 0.0), ("nan", 0.0), ("inf", 0.0), ("much", 0.0), ("", 0.0)],
)
def test_smoothing_of_an_address_stays_in_its_range(asked: str, weight: float) -> None:
    assert read_smoothing({"smooth": asked}) == weight


@pytest.mark.parametrize(
    ("seconds", "text"), [(59, "59 s"), (150, "2 min"), (5_400, "1 h 30 min"), (259_200, "3 days")]
)
def test_duration_is_in_the_unit_that_tells_most(seconds: int, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text
