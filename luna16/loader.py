"""Load what comes next while the present is worked on."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@contextlib.contextmanager
def load_ahead(items: Sequence[ItemT], load: Callable[[ItemT], ResultT]) -> Iterator[Iterator[ResultT]]:
    """Give what ``load`` makes of each item, in order; a thread of its own loads one item ahead.

    That thread takes one core: torch would otherwise give it as many as the caller has, and both would wait.
    An error of ``load`` is raised where its item is asked for.
    """
    num_threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as loader:
            yield _load_each(loader, items, load)
    finally:
        torch.set_num_threads(num_threads)  # or threads that begin later would take one core, too


def _load_each(
    loader: ThreadPoolExecutor, items: Sequence[ItemT], load: Callable[[ItemT], ResultT]
) -> Iterator[ResultT]:
    waiting = loader.submit(load, items[0])
    for item in items[1:]:
        ready, waiting = waiting.result(), loader.submit(load, item)
        yield ready
    yield waiting.result()
