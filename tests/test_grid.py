import time
from collections.abc import Iterable

import pytest
from flwr.app import Error, Message, RecordDict

from fl_server import grid as grid_module
from fl_server.grid import PromptGrid
from tests.fake_grid import SUPERLINK_NODE_ID, FakeGrid


@pytest.fixture
def flower(flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    return FakeGrid()


@pytest.fixture
def grid(flower: FakeGrid) -> PromptGrid:
    return PromptGrid(flower)


def answer(_message: Message) -> RecordDict:
    return RecordDict()


def fail(_message: Message) -> Error:
    return Error(0, "out of memory")


def stay_silent(_message: Message) -> None:
    return None


def tasks_for(node_ids: Iterable[int]) -> list[Message]:
    return [Message(RecordDict(), dst_node_id=node_id, message_type="train") for node_id in node_ids]


def test_only_admitted_nodes_that_are_connected_take_part(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = dict.fromkeys((5, 6, 7), answer)
    assert list(grid.get_node_ids()) == []
    grid.node_ids = frozenset({7, 5, 8})
    assert list(grid.get_node_ids()) == [5, 7]
    assert grid.get_online_node_ids() == {5, 6, 7}


def test_replies_are_told_one_by_one_as_they_come(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = dict.fromkeys((5, 6, 7), answer)
    flower.last_first = True
    told: list[tuple[int, int]] = []
    grid.on_reply = lambda node_id, reply: told.append((node_id, reply.metadata.src_node_id))
    replies = grid.send_and_receive(tasks_for((5, 6, 7)))
    assert told == [(7, 7), (6, 6), (5, 5)]
    assert [reply.metadata.src_node_id for reply in replies] == [7, 6, 5]


def test_first_reply_is_told_while_others_are_waited_for(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = {5: answer, 6: stay_silent}
    told: list[int] = []
    grid.on_reply = lambda node_id, _reply: told.append(node_id)
    replies = grid.send_and_receive(tasks_for((5, 6)), timeout=0.05)
    assert told == [5]
    assert len(replies) == 1


def test_failure_is_attributed_to_the_node_that_was_asked(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = {5: fail}
    told: list[tuple[int, Message]] = []
    grid.on_reply = lambda node_id, reply: told.append((node_id, reply))
    grid.send_and_receive(tasks_for([5]))
    ((node_id, reply),) = told
    assert reply.metadata.src_node_id == SUPERLINK_NODE_ID
    assert node_id == 5


def test_waiting_ends_at_the_time_limit(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = {5: stay_silent}
    started_s = time.monotonic()
    assert grid.send_and_receive(tasks_for([5]), timeout=0.1) == []
    assert 0.1 <= time.monotonic() - started_s < 2


def test_node_that_has_gone_is_not_waited_for(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = {5: answer}
    assert len(grid.send_and_receive(tasks_for((5, 6)))) == 1


def test_no_message_is_no_wait(grid: PromptGrid) -> None:
    assert grid.send_and_receive([]) == []


def test_late_reply_to_an_earlier_task_is_not_taken_for_another(flower: FakeGrid, grid: PromptGrid) -> None:
    (late,) = tasks_for([5])
    flower.nodes = {5: answer}
    grid.push_messages([late])
    replies = grid.send_and_receive(tasks_for([5]))
    assert [reply.metadata.reply_to_message_id for reply in replies] == ["message-2"]


def test_ticks_go_on_while_replies_are_waited_for(
    flower: FakeGrid, grid: PromptGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_module, "TICK_S", 0.02)
    flower.nodes = {5: stay_silent}
    ticks: list[None] = []
    grid.on_tick = lambda: ticks.append(None)
    grid.send_and_receive(tasks_for([5]), timeout=0.2)
    assert 2 <= len(ticks) <= 11


def test_who_computes_for_long_can_let_ticks_go_on(grid: PromptGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "TICK_S", 60)
    ticks: list[None] = []
    grid.on_tick = lambda: ticks.append(None)
    for _ in range(3):
        grid.tick_when_due()
    assert len(ticks) == 1
