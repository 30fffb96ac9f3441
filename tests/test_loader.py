"""Batches that are loaded ahead: in order, one ahead, and without taking cores from anybody for good."""

import threading
from collections.abc import Iterator

import pytest
import torch

from luna16.loader import load_ahead


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def num_threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_items_come_in_order() -> None:
    with load_ahead(range(50), lambda item: item * item) as loaded:
        assert list(loaded) == [item * item for item in range(50)]


def test_next_item_is_loaded_while_the_present_is_worked_on() -> None:
    is_loaded = [threading.Event() for _ in range(3)]
    with load_ahead(range(3), lambda item: is_loaded[item].set()) as loaded:
        next(loaded)
        assert is_loaded[1].wait(5)
        assert not is_loaded[2].is_set()


def test_loading_takes_one_core() -> None:
    with load_ahead([0, 1], lambda _: torch.get_num_threads()) as loaded:
        assert list(loaded) == [1, 1]


def test_caller_and_threads_that_begin_later_keep_their_cores() -> None:
    with load_ahead([0, 1], torch.ones) as loaded:
        list(loaded)
    assert (torch.get_num_threads(), num_threads_of_a_new_thread()) == (3, 3)


def test_error_is_raised_where_its_item_is_asked_for() -> None:
    def load(item: int) -> int:
        return 1 // item

    with load_ahead([1, 0], load) as loaded:
        assert next(loaded) == 1
        with pytest.raises(ZeroDivisionError):
            next(loaded)
    assert num_threads_of_a_new_thread() == 3
