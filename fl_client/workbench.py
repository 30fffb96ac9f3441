"""Does one task at a time: one that is asked again is not done again, and newer work ends the one in hand.

A coordinator that was restarted, or has lost this site for a while, sends a task once more. What was trained
for it is still good then, and what is being trained goes on.
"""

import threading
from collections.abc import Callable

from flwr.app import RecordDict

from fl_core.errors import TaskOutdatedError
from fl_core.status import Status


class Workbench:
    """Keeps the newest answer to each kind of task; threads may come at any time."""

    def __init__(self) -> None:
        self._compute = threading.Lock()
        self._counting = threading.Lock()
        self._num_open = 0
        self._newest = ""
        self._at_work = ""
        self._answers: dict[str, tuple[str, RecordDict]] = {}
        self._status = Status()

    @property
    def status(self) -> Status:
        """What is being done, and how far it is."""
        if self._num_open == 0:
            return Status()
        return self._status if self._status.task == self._newest else Status(self._newest)

    def answer(self, kind: str, name: str, work: Callable[[], RecordDict]) -> RecordDict:
        """Return the answer to the task ``name``, by doing ``work`` unless it was done before.

        Raises TaskOutdatedError if a task of another name has come meanwhile.
        """
        self._newest = name
        with self._counting:
            self._num_open += 1
        try:
            with self._compute:
                self._at_work, self._status = name, Status(name)
                return self._find(kind, name) or self._do(kind, name, work)
        finally:
            with self._counting:
                self._num_open -= 1

    def advance(self, work: str, num_done: int, num_steps: int) -> None:
        """Note how far the task in hand is; TaskOutdatedError if there is a newer one."""
        self._status = Status(self._at_work, work, num_done, num_steps)
        self._check()

    def _find(self, kind: str, name: str) -> RecordDict | None:
        known, answer = self._answers.get(kind, ("", None))
        return answer if known == name else None

    def _do(self, kind: str, name: str, work: Callable[[], RecordDict]) -> RecordDict:
        self._check()
        answer = work()
        self._answers[kind] = name, answer
        return answer

    def _check(self) -> None:
        if self._at_work != self._newest:
            raise TaskOutdatedError("The coordinator has asked for something newer meanwhile.")
