from collections.abc import Collection
from types import SimpleNamespace

import numpy as np
import pytest
from flwr.app import Message

from fl_core import replies
from fl_core.messages import TaskId, Weights
from fl_core.replies import EvaluateReply, TrainReply
from fl_server.leave_one_out import LeaveOneOut, average
from fl_server.recorder import Recorder
from fl_server.update import Update
from fl_store.metrics import Metric
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import MetricRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from luna16.counts import EvalCounts
from tests.fake_grid import FakeSite, evaluation_of

TOLD = FakeSite("north").counts


def counts_of_loss(loss: float) -> EvaluateReply:
    """Give counts whose loss is the one that is wanted, of positives and negatives alike."""
    sums = {"positive_loss_sum": loss * 2, "negative_loss_sum": loss * 2}
    return evaluation_of(EvalCounts(**vars(TOLD) | sums))


class Evaluation:
    """Sites whose loss is the mean weight of the model that they score; south answers if it is asked to."""

    def __init__(self, *, answers: tuple[str, ...] = ("north", "south", "west")) -> None:
        self.answers = answers
        self.names: list[str] = []

    def score(
        self, weights: Weights, round_no: int, name: str, *, sites: Collection[str]
    ) -> dict[str, EvaluateReply]:
        assert (round_no, sorted(sites)) == (2, ["north", "south", "west"])
        self.names.append(name)
        return dict.fromkeys(self.answers, counts_of_loss(float(weights["w"])))


class Consent:
    """Which sites share their models."""

    def __init__(self, *unwilling: str) -> None:
        self.unwilling = unwilling

    def member(self, site: str) -> SimpleNamespace:
        return SimpleNamespace(shares_model=site not in self.unwilling)


def make_update(value: float, num_examples: int) -> Update:
    weights = {"w": np.array(value, np.float32)}
    reply = TrainReply(TaskId("r1", 1), weights, num_examples, 0.5, train_s=1.0, began_at_s=0.0)
    message = Message(replies.pack_train_reply(reply), dst_node_id=1, message_type="train")
    return Update.take(message, reply, norm=1.0)


@pytest.fixture
def updates(flower_identity: None) -> dict[str, Update]:
    """Three sites; the average is (1 x 0.5 + 2 x 1 + 1 x 0.5) / 4 = 0.75."""
    return {"north": make_update(0.5, 1), "south": make_update(1.0, 2), "west": make_update(0.5, 1)}


@pytest.fixture
def recorder(store: SqliteStore) -> Recorder:
    recorder = Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 3, {}, utc_now()))
    recorder.start_round(2, ["north", "south", "west"], 0)
    return recorder


WHOLE = {site: counts_of_loss(0.75) for site in ("north", "south", "west")}


def measure(
    recorder: Recorder, updates: dict[str, Update], *, every: int = 2, consent: Consent | None = None
) -> Evaluation:
    evaluation = Evaluation()
    part = LeaveOneOut(every, evaluation, consent or Consent(), recorder)  # type: ignore[arg-type]
    for _ in range(2):
        part.measure_if_due(2, updates, WHOLE)
    return evaluation


def changes(store: SqliteStore) -> dict[str, float | None]:
    return {row.site: row.value for row in store.get(MetricRow, metric=Metric.LOSS_CHANGE_WITHOUT)}


def test_change_is_that_of_the_pooled_loss(
    recorder: Recorder, updates: dict[str, Update], store: SqliteStore
) -> None:
    evaluation = measure(recorder, updates)
    without_one_of_the_small, without_south = (2 * 1.0 + 0.5) / 3, 0.5
    small = pytest.approx(without_one_of_the_small - 0.75)
    assert changes(store) == {"north": small, "south": pytest.approx(without_south - 0.75), "west": small}
    assert evaluation.names[0] == "the average of round 2 without site 'north'"


@pytest.mark.parametrize("every", [0, 3])
def test_nothing_is_sent_in_a_round_that_is_not_due(
    recorder: Recorder, updates: dict[str, Update], every: int
) -> None:
    assert measure(recorder, updates, every=every).names == []


def test_one_site_alone_cannot_be_left_out(recorder: Recorder, updates: dict[str, Update]) -> None:
    assert measure(recorder, {"north": updates["north"]}).names == []


def test_without_the_consent_of_every_site_nothing_is_sent_and_that_is_told_once(
    recorder: Recorder, updates: dict[str, Update], store: SqliteStore
) -> None:
    assert measure(recorder, updates, consent=Consent("south", "west")).names == []
    (event,) = store.get(EventRow, kind="not_shared")
    assert event.text.startswith("What each update contributes is not measured: south, west shares no model")


def test_losses_are_of_the_sites_that_scored_both(
    recorder: Recorder, updates: dict[str, Update], store: SqliteStore
) -> None:
    whole = WHOLE | {"south": counts_of_loss(100.0)}
    evaluation = Evaluation(answers=("north",))
    LeaveOneOut(1, evaluation, Consent(), recorder).measure_if_due(2, updates, whole)  # type: ignore[arg-type]
    assert changes(store)["south"] == pytest.approx(0.5 - 0.75)


def test_average_is_weighed_by_examples(updates: dict[str, Update]) -> None:
    assert average(updates)["w"] == pytest.approx(0.75)
