import numpy as np
import pytest
from flwr.app import Error

from fl_core import messages
from fl_core.config import RunConfig
from fl_server import grid as grid_module
from fl_server.dispatch import Dispatch
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.fake_grid import FakeGrid, FakeSite

CONFIG = RunConfig.model_validate({"federation": {"round_timeout_s": 0.3}})
WEIGHTS = {"w": np.arange(3, dtype=np.float32)}


@pytest.fixture
def flower(flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    flower = FakeGrid()
    flower.nodes = {5: FakeSite("north"), 6: FakeSite("south")}
    return flower


def make_evaluation(flower: FakeGrid, store: SqliteStore, *, on_test: bool = False) -> ExtraEvaluation:
    """Return an evaluation by all sites of the grid."""
    grid, recorder = (
        PromptGrid(flower),
        Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now())),
    )
    roll_call = RollCall(grid, recorder, CONFIG.task, RunControl(store, recorder, "r1"))
    for _ in range(9):
        roll_call.call()
    dispatch = Dispatch(grid, roll_call, recorder, CONFIG.federation)
    return ExtraEvaluation(CONFIG, dispatch, roll_call, recorder, on_test=on_test)


@pytest.mark.parametrize("on_test", [False, True])
def test_every_site_scores_the_model_on_the_scans_that_are_asked_for(
    flower: FakeGrid, store: SqliteStore, *, on_test: bool
) -> None:
    found = make_evaluation(flower, store, on_test=on_test).score(WEIGHTS, 3, "it")
    assert list(found) == ["north", "south"]
    for task in flower.sent[-2:]:
        assert messages.wants_test(task.content) is messages.wants_intervals(task.content) is on_test
        assert messages.unpack_task_id(task.content).round_no == 3
        np.testing.assert_array_equal(messages.unpack_weights(task.content)["w"], WEIGHTS["w"])


def test_sites_that_are_not_asked_are_sent_nothing(flower: FakeGrid, store: SqliteStore) -> None:
    assert list(make_evaluation(flower, store).score(WEIGHTS, 3, "it", sites={"south"})) == ["south"]
    assert "evaluate" not in flower.types_sent_to(5)


def test_without_a_site_to_ask_nothing_is_sent(flower: FakeGrid, store: SqliteStore) -> None:
    assert make_evaluation(flower, store).score(WEIGHTS, 3, "it", sites=()) == {}
    assert "evaluate" not in {task.metadata.message_type for task in flower.sent}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "It has not answered in 0 s (at work)."), (Error(0, "Its disk is full."), "Its disk is full.")],
)
def test_site_without_an_answer_is_named_and_left_out(
    flower: FakeGrid, store: SqliteStore, answer: Error | None, reason: str
) -> None:
    flower.nodes[6] = FakeSite("south", instead={"evaluate": answer})
    assert list(make_evaluation(flower, store).score(WEIGHTS, 3, "the model of round 3")) == ["north"]
    (event,) = store.get(EventRow, kind="site_failed")
    assert event.text == f"Site 'south' did not score the model of round 3: {reason}"
