import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from fl_server.history import make_history
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState


@pytest.fixture
def history(rehearsal: Any, store: SqliteStore) -> dict[str, Any]:
    """The history of a run in its third round, in which only north has answered."""
    rehearsal.start()
    rehearsal.play_round(1)
    rehearsal.play_round(2)
    rehearsal.begin_round(3)
    rehearsal.reply(3, "north")
    store.put([MetricRow("run-1", 3, "north", Metric.CPM, None, 0, utc_now())])
    return make_history(store, "run-1")


def test_history_is_json(history: dict[str, Any]) -> None:
    assert json.loads(json.dumps(history, allow_nan=False)) == history


def test_rounds_are_in_order_with_every_site(history: dict[str, Any]) -> None:
    assert [part["round_no"] for part in history["rounds"]] == [1, 2, 3]
    assert all(set(part["sites"]) == {"east", "north", "south"} for part in history["rounds"])


def test_numbers_are_those_of_their_round_and_site(history: dict[str, Any], store: SqliteStore) -> None:
    for site in ("north", FEDERATION):
        (row,) = store.get(MetricRow, round_no=2, site=site, metric=Metric.AUC)
        part = history["rounds"][1]
        numbers = part["federation"] if site == FEDERATION else part["sites"][site]["metrics"]
        assert numbers["auc"] == row.value


def test_number_that_is_undefined_is_null(history: dict[str, Any]) -> None:
    assert history["rounds"][2]["sites"]["north"]["metrics"]["cpm"] is None


def test_round_that_goes_on_has_no_numbers_of_the_federation_and_no_end(history: dict[str, Any]) -> None:
    assert history["rounds"][2]["federation"] == {}
    assert history["rounds"][2]["ended_at"] is None
    assert history["rounds"][2]["sites"]["east"]["metrics"] == {}


def test_interval_is_named_with_its_round(history: dict[str, Any], store: SqliteStore) -> None:
    (row,) = store.get(MetricRow, round_no=2, site="north", metric=Metric.CPM)
    store.put([replace(row, interval_low=0.25, interval_high=0.5)])
    rounds = make_history(store, "run-1")["rounds"]
    assert [part["intervals"] for part in rounds] == [
        [],
        [{"site": "north", "metric": "cpm", "low": 0.25, "high": 0.5}],
        [],
    ]


def test_run_is_described_with_times_in_utc(history: dict[str, Any]) -> None:
    assert (history["run_id"], history["state"], history["num_rounds"]) == ("run-1", RunState.RUNNING, 10)
    assert datetime.fromisoformat(history["started_at"]).utcoffset() is not None
    assert history["started_at"].endswith("+00:00")


def test_rows_of_another_run_are_left_out(store: SqliteStore, history: dict[str, Any]) -> None:
    store.put([MetricRow("run-2", 1, "north", Metric.AUC, 0.123, 1, utc_now())])
    assert make_history(store, "run-1") == history


def test_number_that_was_not_finite_is_null_and_named_in_its_round(
    history: dict[str, Any], store: SqliteStore
) -> None:
    store.put([MetricRow("run-1", 2, "north", Metric.TRAIN_LOSS, None, 9, utc_now(), NotFinite.INFINITE)])
    rounds = make_history(store, "run-1")["rounds"]
    assert rounds[1]["sites"]["north"]["metrics"]["train_loss"] is None
    assert rounds[1]["not_finite"] == [{"site": "north", "metric": "train_loss", "was": "inf"}]
    assert rounds[0]["not_finite"] == []
