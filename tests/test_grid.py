import time

import pytest

from fl_server import grid as grid_module
from fl_server.grid import PromptGrid
from tests.fake_grid import FakeGrid, FakeSite


@pytest.fixture
def flower(flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    return FakeGrid()


@pytest.fixture
def grid(flower: FakeGrid) -> PromptGrid:
    return PromptGrid(flower)


def test_only_admitted_nodes_that_are_connected_take_part(flower: FakeGrid, grid: PromptGrid) -> None:
    flower.nodes = {node_id: FakeSite(str(node_id)) for node_id in (5, 6, 7)}
    assert list(grid.get_node_ids()) == []
    grid.node_ids = frozenset({7, 5, 8})
    assert list(grid.get_node_ids()) == [5, 7]
    assert grid.get_online_node_ids() == {5, 6, 7}


def test_ticks_go_on_in_a_wait(grid: PromptGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "TICK_S", 0.02)
    ticks: list[None] = []
    grid.on_tick = lambda: ticks.append(None)
    end_s = time.monotonic() + 0.2
    while time.monotonic() < end_s:
        grid.rest()
    assert 2 <= len(ticks) <= 11


def test_who_computes_for_long_can_let_ticks_go_on(grid: PromptGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "TICK_S", 60)
    ticks: list[None] = []
    grid.on_tick = lambda: ticks.append(None)
    for _ in range(3):
        grid.tick_when_due()
    assert len(ticks) == 1
