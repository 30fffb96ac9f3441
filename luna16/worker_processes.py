"""Work on many items in processes of their own, of which one may die without harm to the others."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def count_cores() -> int:
    """Give the number of cores that this process may use, which a batch system may have limited."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def run_each(
    work: Callable[[ItemT], ResultT], items: Iterable[ItemT], *, num_jobs: int
) -> Iterator[tuple[ItemT, ResultT | None]]:
    """Yield each item with what ``work`` made of it, as they are done; None if its process died.

    ``work`` must be importable and must not raise. The processes end at once when the caller stops.
    """
    waiting = deque(items)
    workers: list[_Worker[ItemT, ResultT]] = []
    try:
        while waiting and len(workers) < num_jobs:
            workers.append(_Worker(work, waiting.popleft()))
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                item, result = worker.item, worker.take()
                if waiting:
                    worker.give(waiting.popleft())
                else:
                    worker.kill()
                    workers.remove(worker)
                yield item, result
    finally:
        for worker in workers:
            worker.kill()


class _Worker(Generic[ItemT, ResultT]):
    """A process with an item to work on; if it dies, another takes its place."""

    pipe: Connection

    def __init__(self, work: Callable[[ItemT], ResultT], item: ItemT) -> None:
        self._work = work
        self._launch()
        self.give(item)

    def give(self, item: ItemT) -> None:
        """Start on an item."""
        self.item = item
        with suppress(BrokenPipeError):  # it died in between, which ``take`` will find
            self.pipe.send(item)

    def take(self) -> ResultT | None:
        """Wait for the result; None if the process died over it."""
        try:
            result: ResultT = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.kill()
            self._launch()
            return None
        return result

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _launch(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self.pipe, its_pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._work, its_pipe), daemon=True)
        with _ctrl_c_held_back():
            self._process.start()
        its_pipe.close()


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Start processes in the block: Ctrl-C is answered after it, and by this process alone.

    Ctrl-C reaches all processes. One that starts here has it blocked from its first instruction on;
    this one answers later, for a process of which only half has started complains. Blocking would not
    do for that: any thread may take the signal, and Python's handler then runs in the main thread.
    """
    resource_tracker.ensure_running()  # which unblocks the signal when it starts
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    in_main_thread = threading.current_thread() is threading.main_thread()
    held_back: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    if in_main_thread:
        signal.signal(signal.SIGINT, lambda number, _: held_back.append(number))
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if held_back:
            signal.raise_signal(signal.SIGINT)


def _serve(work: Callable[[ItemT], ResultT], pipe: Connection) -> None:
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the caller is gone
        while True:
            pipe.send(work(pipe.recv()))
