"""How far a site is with a task, which the coordinator asks while it waits, and how both know the task.

A site answers while it computes. Whoever does not is frozen or cut off, however long its rounds are.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, Message, RecordDict

from fl_core.messages import ARRAYS, CONFIG, NUM_SITES, make_one_line

STATUS = "query.status"
MAX_WORK_LENGTH = 40


@dataclass(frozen=True)
class Status:
    """A site has done ``num_done`` of ``num_steps`` steps of ``work`` for the task of this name, if any."""

    task: str = ""
    work: str = ""
    num_done: int = 0
    num_steps: int = 0

    @property
    def percent(self) -> int:
        """How much of the steps is done, 0 if there are none."""
        return 100 * self.num_done // self.num_steps if self.num_steps else 0

    def __str__(self) -> str:
        """Return it in words."""
        steps = f", {self.percent} % done" if self.num_steps else ""
        return f"{self.work}{steps}" if self.work else "at work"


def name_task(message_type: str, content: RecordDict) -> str:
    """Return a name that a task has however often it is sent: a hash of its model and settings.

    How many sites were sent it is not of the name, as sites come and go meanwhile.
    """
    digest = hashlib.sha256(message_type.encode())
    for name, value in sorted(content.config_records.get(CONFIG, {}).items()):
        if name != NUM_SITES:
            digest.update(f"{name}={value!r};".encode())
    for array in content.array_records[ARRAYS].values() if ARRAYS in content.array_records else ():
        digest.update(array.data)
    return digest.hexdigest()


def pack_status(status: Status) -> RecordDict:
    """Pack what a site has in hand."""
    return RecordDict({CONFIG: ConfigRecord(vars(status))})


def unpack_status(message: Message) -> Status:
    """Return what a site has in hand; nothing, if it answers in another form: it lives all the same."""
    records = message.content.config_records if message.has_content() else {}
    told: Mapping[str, Any] = records.get(CONFIG, {})
    task, work, num_done, num_steps = (told.get(name) for name in ("task", "work", "num_done", "num_steps"))
    if not (isinstance(task, str) and isinstance(work, str)):
        return Status()
    if not (isinstance(num_done, int) and isinstance(num_steps, int)) or not 0 <= num_done <= num_steps:
        return Status(task)
    return Status(task, make_one_line(work[:MAX_WORK_LENGTH]), num_done, num_steps)
