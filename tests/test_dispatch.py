import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode

from fl_core import messages
from fl_core.config import FederationConfig, TaskSettings
from fl_core.errors import MessageError, NoAnswerError
from fl_core.status import STATUS, Status, name_task
from fl_server import dispatch as dispatch_module
from fl_server import grid as grid_module
from fl_server import pace, site_watch, wait_lines
from fl_server.dispatch import Dispatch, Errand
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl
from fl_server.site_watch import Work
from fl_store.rows import EventRow, PresenceRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.site_access import set_site_access
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.fake_grid import FakeGrid, FakeSite

SILENT = {"train": None}
STUCK = {"train": None, STATUS: None}
NORTH, SOUTH = FakeSite("north"), FakeSite("south")
NODE = {"north": 10, "south": 11}


@dataclass
class Desk:
    """A coordinator's dispatch over two sites in memory; ``then`` is done once, after some time."""

    store: SqliteStore
    flower: FakeGrid = field(default_factory=FakeGrid)
    config: FederationConfig = field(
        default_factory=lambda: FederationConfig(round_timeout_s=20, lost_site_s=20)
    )
    answered: list[str] = field(default_factory=list)
    failed: dict[str, MessageError] = field(default_factory=dict)
    left: list[Work] = field(default_factory=list)
    taken_s: float = 0.0
    dispatch: Dispatch = field(init=False)
    roll_call: RollCall = field(init=False)

    def open(self, *sites: FakeSite) -> None:
        self.flower.nodes = {10 + i: site for i, site in enumerate(sites)}
        grid = PromptGrid(self.flower)
        recorder = Recorder(self.store, RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now()))
        control = RunControl(self.store, recorder, "r1")
        self.roll_call = RollCall(grid, recorder, TaskSettings(), control)
        self.dispatch = Dispatch(grid, self.roll_call, recorder, self.config)
        grid.on_tick = self.dispatch.tick
        for _ in range(2 * len(sites) + 1):
            self.roll_call.call()

    def ask(
        self, *, quorum: int = 1, size: float | None = None, then: Callable[[], None] | None = None
    ) -> None:
        tasks = [Message(TASK, dst_node_id=node_id, message_type="train") for node_id in self.flower.nodes]
        started_s = time.monotonic()
        tick = self.dispatch.grid.on_tick

        def tick_and_then() -> None:
            nonlocal then
            if then and time.monotonic() > started_s + 0.05:
                todo, then = then, None
                todo()
            tick()

        self.dispatch.grid.on_tick = tick_and_then
        errand = Errand("Round 1", self.take, self.failed.__setitem__, quorum=quorum, size=size)
        self.left = self.dispatch.ask(tasks, errand)
        self.taken_s = time.monotonic() - started_s

    def take(self, site: str, _message: Message) -> bool:
        self.answered.append(site)
        return True

    def events(self, kind: str) -> list[str]:
        return [event.text for event in self.store.get(EventRow, kind=kind)]

    def num_sent(self, node_id: int, kind: str = "train") -> int:
        return self.flower.types_sent_to(node_id).count(kind)


WEIGHTS = messages.pack_weights({"w": np.zeros(2, dtype=np.float32)})
TASK = RecordDict({messages.ARRAYS: WEIGHTS, messages.CONFIG: messages.pack_settings(TaskSettings(), "r1")})
TASK[messages.CONFIG][messages.ROUND] = 1  # type: ignore[index]
AT_WORK = Status(name_task("train", TASK), "training", 40, 100)


@pytest.fixture
def desk(store: SqliteStore, flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Seconds pass a hundred times as fast as for a real run."""
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    monkeypatch.setattr(grid_module, "TICK_S", 0.01)
    monkeypatch.setattr(dispatch_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(pace, "SHORTEST_LIMIT_S", 0.2)
    for name in ("ASK_EVERY_S", "SILENT_AFTER_S", "FORGET_AFTER_S"):
        monkeypatch.setattr(site_watch, name, getattr(site_watch, name) / 100)
    return Desk(store)


def test_wait_ends_when_all_have_answered(desk: Desk) -> None:
    desk.open(NORTH, SOUTH)
    desk.ask(quorum=2)
    assert sorted(desk.answered) == ["north", "south"]
    assert desk.failed == {}
    assert desk.taken_s < 10


def test_slow_site_is_left_at_three_times_what_it_took_before(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, status=AT_WORK, instead=SILENT))
    desk.dispatch.pace.learn("south", "train", 1, 0.1)
    desk.ask(quorum=1, size=1)
    assert desk.answered == ["north"]
    assert isinstance(desk.failed["south"], NoAnswerError)
    assert 0.3 <= desk.taken_s < 10
    assert [work.site for work in desk.left] == ["south"]


def test_who_was_left_has_longer_the_next_time(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, status=AT_WORK, instead=SILENT))
    desk.dispatch.pace.learn("south", "train", 1, 0.1)
    desk.ask(quorum=1, size=1)
    assert desk.dispatch.pace.find_limit_s("south", "train", 1) >= 3 * 0.3


def test_without_a_quorum_the_wait_goes_on_to_the_cap(desk: Desk) -> None:
    desk.config = FederationConfig(round_timeout_s=1, lost_site_s=0.01)
    desk.open(NORTH, replace(SOUTH, status=AT_WORK, instead=SILENT))
    desk.dispatch.pace.learn("south", "train", 1, 0.01)
    desk.ask(quorum=2, size=1)
    assert desk.taken_s >= 1


def test_site_at_work_is_asked_how_far_it_is_and_not_taken_for_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_lines, "FIRST_AFTER_S", 0.5)
    desk.config = FederationConfig(round_timeout_s=1, lost_site_s=0.01)
    desk.open(NORTH, replace(SOUTH, status=AT_WORK, instead=SILENT))
    desk.ask(quorum=1)
    assert desk.taken_s >= 1
    assert desk.events("site_lost") == []
    assert desk.events("waiting")[0] == "Round 1 waits for south (training, 40 % done); 0 s more at most."
    assert str(desk.failed["south"]) == "It has not answered in 1 s (training, 40 % done)."


def test_site_that_stands_still_is_lost_and_not_waited_for_long(desk: Desk) -> None:
    desk.config = FederationConfig(round_timeout_s=20, lost_site_s=0.1)
    desk.open(NORTH, replace(SOUTH, instead=STUCK))
    desk.ask(quorum=1)
    assert desk.taken_s < 10
    (event,) = desk.events("site_lost")
    assert event.startswith("Site 'south' has not answered for ")
    assert "lost for" in str(desk.failed["south"])


def test_site_that_goes_before_its_task_is_sent_is_lost_too(desk: Desk) -> None:
    class Last(FakeSite):
        def __call__(self, message: Message) -> RecordDict | Error | None:
            if message.metadata.message_type == "train":
                desk.flower.nodes.pop(11, None)
            return super().__call__(message)

    desk.config = FederationConfig(round_timeout_s=5, lost_site_s=0.1)
    desk.open(Last("north"), SOUTH)
    desk.ask(quorum=1)
    assert desk.taken_s < 5
    assert desk.events("site_lost") == ["Site 'south' is not connected any more."]


def test_site_that_was_lost_before_is_not_waited_for_again(desk: Desk) -> None:
    desk.config = FederationConfig(round_timeout_s=20, lost_site_s=1)
    desk.open(NORTH, replace(SOUTH, instead=STUCK))
    desk.ask(quorum=1)
    desk.ask(quorum=1)
    assert desk.taken_s < 1
    assert len(desk.events("site_lost")) == 1


def test_site_that_goes_and_comes_back_is_sent_its_task_again(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, instead=SILENT))

    def come_back() -> None:
        desk.flower.nodes[11] = SOUTH

    def go() -> None:
        del desk.flower.nodes[11]
        desk.roll_call.tick()
        desk.dispatch.grid.on_tick = lambda: (come_back(), desk.dispatch.tick())[1]

    desk.ask(quorum=2, then=go)
    assert sorted(desk.answered) == ["north", "south"]
    assert desk.num_sent(11) == 2
    assert desk.events("site_lost") == ["Site 'south' is not connected any more."]
    assert desk.events("site_back") == ["Site 'south' is back after 0 s."]


def test_site_that_was_started_anew_is_sent_its_task_at_its_new_node(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, instead=SILENT))

    def start_anew() -> None:
        del desk.flower.nodes[11]
        desk.flower.nodes[12] = SOUTH

    desk.ask(quorum=2, then=start_anew)
    assert sorted(desk.answered) == ["north", "south"]
    assert desk.num_sent(12) == 1


@pytest.mark.parametrize("code", [ErrorCode.CLIENT_APP_CRASHED, ErrorCode.MESSAGE_UNAVAILABLE])
def test_task_that_flower_has_lost_is_sent_again(desk: Desk, code: int) -> None:
    class Losing(FakeSite):
        def __call__(self, message: Message) -> RecordDict | Error | None:
            is_first = message.metadata.message_type == "train" and desk.num_sent(11) == 1
            return Error(code, "lost") if is_first else super().__call__(message)

    desk.open(NORTH, Losing("south"))
    desk.ask(quorum=2)
    assert sorted(desk.answered) == ["north", "south"]
    assert desk.num_sent(11) == 2


def test_task_of_which_the_site_knows_nothing_is_sent_again(desk: Desk) -> None:
    class Forgetful(FakeSite):
        def __call__(self, message: Message) -> RecordDict | Error | None:
            is_first = message.metadata.message_type == "train" and desk.num_sent(11) == 1
            return None if is_first else super().__call__(message)

    desk.open(NORTH, Forgetful("south"))
    desk.ask(quorum=2)
    assert sorted(desk.answered) == ["north", "south"]
    assert desk.num_sent(11) == 2
    assert desk.num_sent(11, STATUS) >= 2


def test_failure_of_the_site_is_told_and_not_asked_again(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, instead={"train": Error(0, "Its disk is full.")}))
    desk.ask(quorum=2)
    assert str(desk.failed["south"]) == "Its disk is full."
    assert desk.num_sent(11) == 1


def test_site_that_is_revoked_is_not_waited_for(desk: Desk) -> None:
    desk.open(NORTH, replace(SOUTH, instead=SILENT))
    desk.ask(quorum=2, then=lambda: set_site_access(desk.store, "south", is_allowed=False, changed_by="c"))
    assert str(desk.failed["south"]) == "It was revoked in this round."
    assert desk.taken_s < 10
    assert desk.left == []


def test_without_a_task_there_is_no_wait(desk: Desk) -> None:
    desk.open()
    desk.ask()
    assert desk.left == []


def test_presence_tells_how_far_a_site_is(desk: Desk) -> None:
    desk.config = FederationConfig(round_timeout_s=1, lost_site_s=0.01)
    desk.open(NORTH, replace(SOUTH, status=AT_WORK, instead=SILENT))
    desk.ask()
    seen: dict[str, str] = {row.name: row.state for row in desk.store.get(PresenceRow)}
    assert seen["south"] == "ready · 40 %"


def test_site_that_has_joined_again_since_it_was_lost_has_its_time(desk: Desk) -> None:
    desk.config = FederationConfig(round_timeout_s=20, lost_site_s=0.1)
    desk.open(NORTH, replace(SOUTH, instead=STUCK))
    desk.ask(quorum=1)
    del desk.flower.nodes[11]
    desk.roll_call.tick()
    desk.flower.nodes[11] = replace(SOUTH, status=AT_WORK, instead=SILENT)
    for _ in range(5):
        desk.roll_call.tick()
    desk.ask(quorum=1, then=lambda: desk.flower.answer_late(11, RecordDict()))
    assert desk.answered == ["north", "north", "south"]
    assert len(desk.events("site_back")) == 1
