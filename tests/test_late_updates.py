import time

import pytest
from flwr.app import Error, Message, RecordDict

from fl_server.grid import PromptGrid
from fl_server.late_updates import LateUpdates
from fl_server.recorder import Recorder
from fl_server.site_watch import Work
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.fake_grid import FakeGrid


@pytest.fixture
def flower(flower_identity: None) -> FakeGrid:
    flower = FakeGrid()
    flower.nodes = {5: lambda _message: None}
    return flower


@pytest.fixture
def late(flower: FakeGrid, store: SqliteStore) -> LateUpdates:
    """What a round closes with that waited in vain for one site, while the next has begun."""
    grid, recorder = PromptGrid(flower), Recorder(store, RunRow("r", "R", RunState.RUNNING, 2, {}, utc_now()))
    recorder.start_round(1, ["north"], bytes_down=0)
    recorder.keep_no_answer("north", "It has not answered in 60 s.")
    task = Message(RecordDict(), dst_node_id=5, message_type="train")
    (message_id,) = grid.push_messages([task])
    updates = LateUpdates(grid, recorder)
    now_s = time.monotonic()
    updates.expect([Work("north", task, "a task", 0, now_s, now_s, 5, message_id)])
    recorder.start_round(2, ["north"], bytes_down=0)
    return updates


def test_update_that_comes_late_is_written_to_its_own_round(
    late: LateUpdates, flower: FakeGrid, store: SqliteStore
) -> None:
    late.look()
    assert store.get(EventRow, kind="late_update") == []
    flower.answer_late(5, RecordDict())
    late.look()
    late.look()
    assert len(store.get(EventRow, kind="late_update")) == 1
    first, second = store.get(SiteRoundRow)
    assert first.train_received_at
    assert second.train_received_at is None


def test_task_that_the_site_gave_up_is_no_late_update(
    late: LateUpdates, flower: FakeGrid, store: SqliteStore
) -> None:
    flower.answer_late(5, Error(1, "There is a newer task."))
    late.look()
    assert store.get(EventRow, kind="late_update") == []
