import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from fl_core.config import RunConfig
from fl_server.run_tables import RunSummary, draw_run_in_full, draw_runs
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.run_rows import CheckpointRow, MetricRow, RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState, SiteRoundState

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = RunRow("20261122-120000-ab12", "demo", RunState.RUNNING, 20, {}, NOON)


def draw(content: RenderableType, width: int = 80) -> str:
    paper = io.StringIO()
    Console(file=paper, width=width, markup=False, emoji=False).print(content)
    return paper.getvalue()


def lines_of(text: str) -> list[list[str]]:
    """Return the words of each line, without the lines of a table."""
    return [line.replace("│", " ").split() for line in text.splitlines()]


def show(store: SqliteStore, run_id: str = "run-1", now: datetime = NOON) -> str:
    (run,) = store.get(RunRow, run_id=run_id)
    return draw(draw_run_in_full(store, run, now))


def score(round_no: int, site: str, metric: Metric, value: float | None) -> MetricRow:
    return MetricRow("run-1", round_no, site, metric, value, 9, NOON)


def test_summary_tells_how_far_a_run_came_and_how_good_it_is(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    rehearsal.play_round(2)
    rehearsal.begin_round(3)
    values = {row.metric: row.value for row in store.get(MetricRow, site=FEDERATION, round_no=2)}
    assert RunSummary.read(store, rehearsal.run) == RunSummary(
        rehearsal.run, 2, 3, scored_round_no=2, auc=values[Metric.AUC], cpm=values[Metric.CPM]
    )


def test_summary_has_the_scores_of_the_newest_round_with_any(store: SqliteStore, rehearsal: Any) -> None:
    store.put([score(1, FEDERATION, Metric.AUC, 0.7), score(1, FEDERATION, Metric.CPM, 0.4)])
    store.put([score(2, FEDERATION, Metric.AUC, 0.8), score(2, FEDERATION, Metric.CPM, None)])
    store.put([score(3, FEDERATION, Metric.AUC, None), score(3, "north", Metric.AUC, 0.9)])
    summary = RunSummary.read(store, rehearsal.run)
    assert (summary.scored_round_no, summary.auc, summary.cpm) == (2, 0.8, None)


def test_summary_of_a_run_that_waits_has_no_scores(store: SqliteStore) -> None:
    assert RunSummary.read(store, RUN) == RunSummary(RUN, 0, 0, scored_round_no=None, auc=None, cpm=None)


def test_summary_as_json_has_no_settings_and_null_for_what_is_unknown() -> None:
    table = RunSummary(RUN, 0, 0, scored_round_no=None, auc=None, cpm=None).to_json(
        NOON + timedelta(seconds=90)
    )
    assert json.loads(json.dumps(table, allow_nan=False)) == {
        "run_id": "20261122-120000-ab12",
        "name": "demo",
        "state": "running",
        "num_rounds": 20,
        "started_at": "2026-11-22T12:00:00+00:00",
        "ended_at": None,
        "reason": None,
        "duration_s": 90.0,
        "num_rounds_done": 0,
        "num_sites": 0,
        "scored_round_no": None,
        "auc": None,
        "cpm": None,
    }


def test_run_is_two_lines_of_the_list() -> None:
    run = replace(RUN, state=RunState.FINISHED, ended_at=NOON + timedelta(minutes=12))
    text = draw(draw_runs([RunSummary(run, 20, 3, scored_round_no=19, auc=0.81234, cpm=0.5)], NOON))
    assert lines_of(text)[-2:] == [
        ["20261122-120000-ab12", "finished", "3", "0.812", "0.500", "2026-11-22", "12:00"],
        ["demo", "20", "of", "20", "rounds", "round", "19", "took", "12", "min"],
    ]


def test_run_that_goes_on_is_listed_with_dashes_and_its_time_so_far() -> None:
    text = draw(
        draw_runs(
            [RunSummary(RUN, 0, 0, scored_round_no=None, auc=None, cpm=None)], NOON + timedelta(seconds=5)
        )
    )
    assert lines_of(text)[-2:] == [
        ["20261122-120000-ab12", "running", "0", "-", "-", "2026-11-22", "12:00"],
        ["demo", "0", "of", "20", "rounds", "5", "s", "so", "far"],
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_list_cuts_nothing_off(width: int) -> None:
    run = replace(RUN, state=RunState.WAITING, num_rounds=200, name="LUNA16, " * 8)
    text = draw(draw_runs([RunSummary(run, 120, 10, 119, auc=0.8, cpm=None)], NOON), width)
    shown = ("waiting for sites", "120 of 200 rounds", "round 119", "2026-11-22 12:00", run.run_id)
    assert all(words in text for words in shown)
    assert text.count("LUNA16,") == 8
    assert max(map(len, text.splitlines())) <= width


def test_run_in_full_begins_with_its_state_reason_and_times(store: SqliteStore, rehearsal: Any) -> None:
    ended = {"ended_at": NOON + timedelta(seconds=30), "state": RunState.FAILED, "reason": "[red]No site."}
    store.put([replace(rehearsal.run, started_at=NOON, **ended)])
    assert show(store).splitlines() == [
        "Run run-1  failed",
        "Rehearsal: 0 of 10 rounds done",
        "started 2026-11-22 12:00:00 UTC, ended 2026-11-22 12:00:30 UTC, took 30 s",
        "[red]No site.",
        "",
        "All settings are the defaults.",
    ]


def test_only_settings_that_differ_from_the_defaults_are_shown(store: SqliteStore) -> None:
    config = RunConfig().model_dump(mode="json")
    config["training"]["epochs"] = 7
    config["of_another_version"] = "x"
    store.put([replace(RUN, config=config)])
    shown = lines_of(show(store, RUN.run_id))
    assert ["training.epochs", "7", "3"] in shown
    assert ["of_another_version", "x", "-"] in shown
    assert "training.learning_rate" not in str(shown)


def test_every_round_is_shown(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    for round_no in range(1, 16):
        rehearsal.play_round(round_no)
    firsts = [words[0] for words in lines_of(show(store)) if len(words) == 6]
    assert [first for first in firsts if first.isdigit()] == [str(round_no) for round_no in range(1, 16)]


def test_loss_that_was_not_finite_is_named(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    lost = score(1, FEDERATION, Metric.TRAIN_LOSS, None)
    store.put([replace(lost, not_finite=NotFinite.NAN)])
    assert ["1", "nan"] in [[words[0], words[3]] for words in lines_of(show(store)) if len(words) == 6]


def test_time_of_a_round_that_was_cut_off_ends_with_its_run(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.begin_round(1, NOON)
    ended_at = NOON + timedelta(seconds=30)
    store.put([replace(rehearsal.run, state=RunState.STOPPED, started_at=NOON, ended_at=ended_at)])
    assert ["1", "-", "-", "-", "-", "30.0"] in lines_of(show(store))


def test_site_is_shown_with_its_last_scores_and_all_its_bytes(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    sent = {"bytes_down": 2_000_000, "bytes_up": 1_000_000}
    done, late = SiteRoundState.DONE, SiteRoundState.LATE
    store.put([SiteRoundRow("run-1", round_no, "north", done, NOON, **sent) for round_no in (1, 2)])
    store.put([SiteRoundRow("run-1", 3, "north", late, NOON, **sent)])
    store.put([score(1, "north", Metric.CPM, 0.2), score(2, "north", Metric.AUC, 0.9)])
    rehearsal.play_round(3)
    store.put([SiteRoundRow("run-1", 3, "north", late, NOON, **sent)])
    store.put([score(3, "north", metric, None) for metric in (Metric.AUC, Metric.CPM)])
    assert ["north", "2", "0.900", "-", "2", "1", "6.0", "3.0"] in lines_of(show(store))


def test_failure_is_shown_with_its_reason_as_it_is_written(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    failed = SiteRoundRow("run-1", 1, "north", SiteRoundState.FAILED, NOON, reason="[red]x[/red] :smile:")
    store.put([failed, SiteRoundRow("run-1", 1, "east", SiteRoundState.LATE, NOON)])
    shown = lines_of(show(store))
    assert ["1", "north", "failed:", "[red]x[/red]", ":smile:"] in shown
    assert ["1", "east", "no", "answer"] in shown


def test_run_without_failures_has_no_table_of_them(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    assert "Failures" not in show(store)


def test_checkpoint_is_shown_with_its_whole_sha256(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    row = CheckpointRow("run-1", "best", 4, "best.safetensors", "ab" * 32, 3_600_000, 0.25, None, NOON)
    store.put([row])
    assert show(store).splitlines()[-2:] == [
        "best  round 4  AUC -  CPM 0.250  3.6 MB  best.safetensors",
        f"      sha256 {'ab' * 32}",
    ]
