import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from fl_core.errors import StoreUnavailableError
from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_server.drift import Drift
from fl_server.recorder import Recorder
from fl_server.score_sheet import ScoreSheet
from fl_store.metrics import (
    CPMS_BY_DIAMETER,
    FEDERATION,
    NOT_OF_EVERY_ROUND,
    SENSITIVITIES,
    Metric,
)
from fl_store.rows import DataCardRow, EventRow, PresenceRow, Row, SiteRow, utc_now
from fl_store.run_rows import CheckpointRow, CurveRow, MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import PresenceKind, RunState, SiteRoundState
from luna16.counts import EvalCounts, score
from luna16.data_card import ScanFacts, make_data_card
from tests.fake_grid import FakeSite, evaluation_of

COUNTS = FakeSite("north").counts
UPDATE = TrainReply(
    TaskId("r1", 1), {"w": np.zeros(1)}, num_examples=120, loss=0.5, train_s=1.5, began_at_s=0
)
EVALUATION = evaluation_of(COUNTS)


@pytest.fixture
def run() -> RunRow:
    return RunRow("r1", "Run", RunState.RUNNING, 5, {}, utc_now())


@pytest.fixture
def recorder(store: SqliteStore, run: RunRow) -> Recorder:
    store.put([run])
    return Recorder(store, run)


class BrokenStore:
    """A store on a disk that is full or gone."""

    def put(self, rows: Sequence[Row]) -> None:  # noqa: ARG002
        raise StoreUnavailableError("Cannot use the store: disk is full.")

    def get(self, row_type: type[Any], **where: Any) -> list[Any]:  # noqa: ARG002
        raise StoreUnavailableError("Cannot use the store: disk is full.")

    def close(self) -> None:
        pass


def site_round(store: SqliteStore, site: str = "north") -> SiteRoundRow:
    (row,) = store.get(SiteRoundRow, site=site)
    return row


def metrics(store: SqliteStore, site: str) -> dict[Metric, float | None]:
    return {row.metric: row.value for row in store.get(MetricRow, site=site)}


def test_sites_are_training_once_a_round_starts(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(2, ["north", "south"], bytes_down=100)
    (row,) = store.get(RoundRow)
    assert (row.round_no, row.ended_at) == (2, None)
    assert {row.site: row.state for row in store.get(SiteRoundRow, round_no=2)} == dict.fromkeys(
        ("north", "south"), SiteRoundState.TRAINING
    )
    assert recorder.site_round_states() == {"north": "training", "south": "training"}


def test_update_is_written_when_it_comes(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(1, ["north", "south"], bytes_down=100)
    recorder.keep_trained("north", UPDATE, bytes_up=90)
    row = site_round(store)
    assert (row.state, row.train_s, row.num_examples) == (SiteRoundState.TRAINED, 1.5, 120)
    assert (row.bytes_down, row.bytes_up) == (100, 90)
    assert row.train_received_at is not None
    assert row.train_received_at >= row.train_sent_at
    assert metrics(store, "north") == {Metric.TRAIN_LOSS: 0.5}
    assert site_round(store, "south").state is SiteRoundState.TRAINING


def test_scores_of_a_site_are_written_when_its_counts_come(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_evaluated("north", EVALUATION, bytes_up=0)
    assert (site_round(store).state, site_round(store).evaluate_s) == (SiteRoundState.DONE, 0.5)
    result = score(COUNTS)
    assert result.sensitivities is not None
    assert metrics(store, "north") == {
        Metric.AUC: result.auc,
        Metric.CPM: result.cpm,
        Metric.AVERAGE_PRECISION: result.average_precision,
        Metric.CALIBRATION_ERROR: result.calibration_error,
        Metric.VALIDATION_LOSS: result.loss,
        **dict(zip(SENSITIVITIES, result.sensitivities, strict=True)),
        **dict.fromkeys(CPMS_BY_DIAMETER) | {Metric.CPM_8_TO_15_MM: result.cpm},
    }


def test_metric_that_is_undefined_is_none(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_evaluated("north", evaluation_of(EvalCounts.zero()), bytes_up=0)
    written = metrics(store, "north")
    assert written.keys() == set(Metric) - {Metric.TRAIN_LOSS, *NOT_OF_EVERY_ROUND}
    assert set(written.values()) == {None}


def test_metrics_say_what_they_are_of(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_trained("north", UPDATE, bytes_up=0)
    recorder.keep_evaluated("north", EVALUATION, bytes_up=0)
    num_of = {row.metric: row.num_examples for row in store.get(MetricRow)}
    assert (num_of[Metric.TRAIN_LOSS], num_of[Metric.AUC], num_of[Metric.CPM]) == (120, 4, 2)


def test_round_ends_with_the_numbers_of_the_federation(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(1, ["north", "south"], bytes_down=0)
    recorder.keep_trained("north", UPDATE, bytes_up=0)
    recorder.end_round(0.4, ScoreSheet.pool([EVALUATION]))
    (row,) = store.get(RoundRow)
    assert row.ended_at is not None
    assert row.ended_at >= row.started_at
    written = metrics(store, FEDERATION)
    assert written[Metric.TRAIN_LOSS] == 0.4
    assert written[Metric.AUC] == 1.0
    (loss,) = store.get(MetricRow, site=FEDERATION, metric=Metric.TRAIN_LOSS)
    assert loss.num_examples == 120


def test_every_round_has_curves_of_each_site_and_the_federation(
    recorder: Recorder, store: SqliteStore
) -> None:
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_evaluated("north", EVALUATION, bytes_up=0)
    recorder.end_round(0.4, ScoreSheet.pool([EVALUATION]))
    curves = {row.site: row.points for row in store.get(CurveRow, round_no=1)}
    assert curves.keys() == {"north", FEDERATION}
    assert curves["north"] == curves[FEDERATION]


def test_failure_is_told_with_site_round_and_reason(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(3, ["north"], bytes_down=0)
    recorder.keep_failure("north", "Out of memory.")
    assert (site_round(store).state, site_round(store).reason) == (SiteRoundState.FAILED, "Out of memory.")
    (event,) = store.get(EventRow, kind="site_failed")
    assert (event.text, event.site, event.run_id) == (
        "Site 'north' failed in round 3: Out of memory.",
        "north",
        "r1",
    )


def test_part_that_a_site_declined_is_a_failure_with_an_event_of_its_own(
    recorder: Recorder, store: SqliteStore
) -> None:
    recorder.start_round(3, ["north"], bytes_down=0)
    recorder.keep_declined("north", "Its consent is over.")
    assert (site_round(store).state, site_round(store).reason) == (
        SiteRoundState.FAILED,
        "Its consent is over.",
    )
    (event,) = store.get(EventRow, kind="site_declined")
    assert event.text == "Site 'north' declined its part of round 3: Its consent is over."


def test_site_that_does_not_answer_is_told(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(3, ["north"], bytes_down=0)
    recorder.keep_no_answer("north", "It has not answered in 60 s.")
    assert str(site_round(store).state) == "no answer"
    assert [event.text for event in store.get(EventRow, site="north")] == [
        "Site 'north' is left behind in round 3: It has not answered in 60 s."
    ]


def test_late_update_is_told_and_leaves_the_part_as_late(recorder: Recorder, store: SqliteStore) -> None:
    recorder.start_round(3, ["north"], bytes_down=0)
    recorder.keep_no_answer("north", "It has not answered in 60 s.")
    part = recorder.part_of("north")
    recorder.start_round(4, ["north"], bytes_down=0)
    recorder.keep_late_update(part, 7.4)
    (kept,) = store.get(SiteRoundRow, round_no=3)
    assert (str(kept.state), kept.reason) == (
        "no answer",
        "The update came 7 s after the round was closed, and was dropped.",
    )
    (event,) = store.get(EventRow, kind="late_update")
    assert event.text.startswith("The update of site 'north' for round 3 came 7 s after")


@pytest.mark.parametrize("state", RunState)
def test_run_has_an_end_when_it_is_over(state: RunState, recorder: Recorder, store: SqliteStore) -> None:
    recorder.keep_run_state(state, "A reason.")
    (row,) = store.get(RunRow)
    assert (row.state, row.reason) == (state, "A reason.")
    assert (row.ended_at is not None) is state.is_over


def test_coordinator_and_sites_are_present(recorder: Recorder, store: SqliteStore) -> None:
    recorder.keep_presence({"north": "ready"})
    assert {(row.kind, row.name, row.state) for row in store.get(PresenceRow)} == {
        (PresenceKind.SERVER, "server", "running"),
        (PresenceKind.SITE, "north", "ready"),
    }


def test_history_holds_what_was_recorded(recorder: Recorder) -> None:
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_trained("north", UPDATE, bytes_up=0)
    history = recorder.make_history()
    assert history is not None
    assert history["rounds"][0]["sites"]["north"]["metrics"] == {"train_loss": 0.5}


def test_broken_store_does_not_stop_the_run(run: RunRow, caplog: pytest.LogCaptureFixture) -> None:
    now = utc_now()
    recorder = Recorder(BrokenStore(), run)
    recorder.keep_run_state(RunState.RUNNING)
    recorder.keep_presence({"north": "ready"})
    recorder.keep_site(SiteRow("north", "5", 7, 2, now, now))
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_trained("north", UPDATE, bytes_up=0)
    recorder.start_evaluation(["north"], bytes_down=0)
    recorder.keep_evaluated("north", EVALUATION, bytes_up=0)
    recorder.end_round(0.5, ScoreSheet.pool([EVALUATION]))
    recorder.keep_checkpoints([CheckpointRow("r1", "last", 1, "f", "sha", 1, None, None, now)])
    assert recorder.make_history() is None
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Cannot use the store: disk is full. Rows are held in memory; training goes on.",
        "There is no history.json of this round: Cannot use the store: disk is full.",
    ]


def test_what_an_update_did_is_written_beside_it(store: SqliteStore, recorder: Recorder) -> None:
    recorder.start_round(1, ["north", "south"], bytes_down=0)
    recorder.keep_trained("north", UPDATE, bytes_up=0)
    recorder.keep_drifts({"north": Drift(2.5, 0.75)})
    north, south = store.get(SiteRoundRow)
    assert (north.update_norm, north.update_cosine, north.num_examples) == (2.5, 0.75, 120)
    assert (south.update_norm, south.update_cosine) == (None, None)


def test_data_card_is_kept_as_the_site_tells_it(store: SqliteStore, recorder: Recorder) -> None:
    card = make_data_card([ScanFacts((1.0, 0.7, 0.7), (5.0,))] * 9)
    recorder.keep_data_card("north", card)
    (row,) = store.get(DataCardRow)
    assert (row.site, row.card) == ("north", card.to_json())


def test_event_is_logged_as_loud_as_it_is(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.keep_event("site_differs", "Look.", "north")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "Look.")]


@pytest.mark.parametrize(("loss", "word"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_number_that_is_not_finite_has_no_value_and_says_what_it_was(
    store: SqliteStore, recorder: Recorder, loss: float, word: str
) -> None:
    recorder.start_round(1, [], bytes_down=0)
    recorder.end_round(loss, ScoreSheet.pool([EVALUATION]))
    (row,) = store.get(MetricRow, metric=Metric.TRAIN_LOSS)
    assert (row.value, row.not_finite) == (None, word)
