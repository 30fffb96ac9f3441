import threading
from collections.abc import Callable

import pytest
from flwr.app import MetricRecord, RecordDict

from fl_client.workbench import Workbench
from fl_core.errors import TaskOutdatedError
from fl_core.status import Status


def result(number: int) -> RecordDict:
    return RecordDict({"metrics": MetricRecord({"number": number})})


class Work:
    """A piece of work in two steps, which waits between them until it may go on."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.times_begun = 0
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self) -> RecordDict:
        self.times_begun += 1
        self.bench.advance("training", 1, 2)
        self.has_begun.set()
        assert self.may_go_on.wait(10)
        self.bench.advance("training", 2, 2)
        return result(self.times_begun)


class Asking(threading.Thread):
    """Somebody who asks for a task, and keeps what comes of it."""

    def __init__(self, bench: Workbench, name: str, work: Callable[[], RecordDict]) -> None:
        super().__init__()
        self.ask = lambda: bench.answer("train", name, work)
        self.found: RecordDict | None = None
        self.error: TaskOutdatedError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.found = self.ask()
        except TaskOutdatedError as error:
            self.error = error


def test_task_that_is_asked_again_is_not_done_again() -> None:
    bench = Workbench()
    first = bench.answer("train", "a", lambda: result(1))
    assert bench.answer("evaluate", "b", lambda: result(2)) == result(2)
    assert bench.answer("train", "a", lambda: result(3)) is first


def test_another_task_is_done() -> None:
    bench = Workbench()
    bench.answer("train", "a", lambda: result(1))
    assert bench.answer("train", "b", lambda: result(2)) == result(2)


def test_task_that_is_asked_again_while_it_is_done_goes_on() -> None:
    bench = Workbench()
    work = Work(bench)
    first = Asking(bench, "a", work)
    assert work.has_begun.wait(10)
    again = Asking(bench, "a", work)
    work.may_go_on.set()
    for asking in (first, again):
        asking.join(10)
        assert asking.found == result(1)


def test_newer_task_ends_the_one_in_hand() -> None:
    bench = Workbench()
    work = Work(bench)
    older = Asking(bench, "a", work)
    assert work.has_begun.wait(10)
    newer = Asking(bench, "b", lambda: result(5))
    while bench.status.task != "b":
        pass
    work.may_go_on.set()
    newer.join(10)
    older.join(10)
    assert older.error is not None
    assert newer.found == result(5)


def test_task_that_has_failed_is_done_when_it_is_asked_again() -> None:
    bench = Workbench()
    with pytest.raises(ZeroDivisionError):
        bench.answer("train", "a", lambda: result(1 // 0))
    assert bench.answer("train", "a", lambda: result(1)) == result(1)


def test_status_tells_what_is_done_and_nothing_afterwards() -> None:
    bench = Workbench()
    work = Work(bench)
    asking = Asking(bench, "a", work)
    assert work.has_begun.wait(10)
    assert bench.status == Status("a", "training", 1, 2)
    work.may_go_on.set()
    asking.join(10)
    assert bench.status == Status()
