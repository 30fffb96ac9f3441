"""Sends a task to each site and gathers the answers: who is lost gets it again, who is too late is left."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from flwr.app import Message

from fl_core import messages
from fl_core.config import FederationConfig
from fl_core.errors import MessageError, NoAnswerError
from fl_core.status import name_task
from fl_server.grid import PromptGrid
from fl_server.late_updates import LateUpdates
from fl_server.pace import Pace
from fl_server.progress_table import format_duration
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.site_watch import SiteWatch, Work
from fl_server.wait_lines import WaitLines
from fl_store.rows import LOST

LOOK_EVERY_S = 1.0
NUM_IDLE = 2
"""A site that has said so often that it does nothing has lost its task, or its answer is lost."""


@dataclass(frozen=True)
class Errand:
    """What is to become of the answers to one kind of task, and how long they are waited for.

    ``take`` is given a site and its answer, and says whether it was good; ``fail`` gets the reason of one
    that failed, declined, or did not answer. ``size`` is that of the task as ``Pace`` counts, None if such
    a task was never done before. ``name`` is for the lines of the wait.
    """

    name: str
    take: Callable[[str, Message], bool]
    fail: Callable[[str, MessageError], None]
    quorum: int = 0
    size: float | None = None


class Dispatch:
    """Waits until every site has answered; with a quorum of good answers, until the rest have had their time.

    A site has had its time at its limit by ``Pace``, or if it has been lost for ``lost_site_s``. At the cap,
    ``round_timeout_s``, the wait ends in any case.
    """

    def __init__(
        self, grid: PromptGrid, roll_call: RollCall, recorder: Recorder, config: FederationConfig
    ) -> None:
        self.grid = grid
        self.pace = Pace(config.round_timeout_s)
        self._roll_call = roll_call
        self._recorder = recorder
        self._config = config
        self._watch = SiteWatch(grid, recorder)
        self._late = LateUpdates(grid, recorder)
        roll_call.on_ready = self._watch.hear
        self._works: dict[str, Work] = {}
        self._look_at_s = 0.0

    def tick(self) -> None:
        """Do what goes on in every wait: call the sites, hear people, look for what comes too late."""
        self._roll_call.tick({site: self._note(work) for site, work in self._works.items()})
        self._late.look()

    def expect_late(self, works: Collection[Work]) -> None:
        """Write down what comes of these, which were left without an answer."""
        self._late.expect(works)

    def rest(self, seconds: float) -> None:
        """Let some time pass, in which people are heard and sites come and go."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.grid.rest()

    def ask(self, tasks: Sequence[Message], errand: Errand) -> list[Work]:
        """Send the tasks and gather the answers; returns what was left without one, each told to ``fail``."""
        works = self._works = {work.site: work for work in (self._begin(task, errand) for task in tasks)}
        self._send(list(works.values()))
        lines = WaitLines(self._recorder)
        cap_at_s, num_good = time.monotonic() + self._config.round_timeout_s, 0
        while works and not self._is_over(works.values(), cap_at_s, has_quorum=num_good >= errand.quorum):
            num_good += self._take_answers(works, errand)
            if works:
                self._look_after(works, errand)
                lines.tell_when_due(self._describe(works, errand, cap_at_s))
                self.grid.rest()
        self._works = {}
        for work in works.values():
            self._learn(work, errand)
            errand.fail(work.site, NoAnswerError(self._explain(work)))
        return list(works.values())

    def _begin(self, task: Message, errand: Errand) -> Work:
        now_s = time.monotonic()
        node_id, kind = task.metadata.dst_node_id, task.metadata.message_type
        site, limit_s = self._roll_call.site_of(node_id), self._config.round_timeout_s
        if errand.size:
            limit_s = self.pace.find_limit_s(site, kind, errand.size)
        name, size_bytes = name_task(kind, task.content), messages.count_bytes(task.content)
        return Work(site, task, name, size_bytes, now_s, now_s + limit_s, node_id)

    def _send(self, works: Sequence[Work]) -> None:
        """Send tasks to the nodes that their sites have now."""
        tasks = [
            Message(
                work.task.content,
                dst_node_id=work.node_id,
                message_type=work.task.metadata.message_type,
                group_id=work.task.metadata.group_id,
            )
            for work in works
        ]
        for work, message_id in zip(works, self.grid.push_messages(tasks), strict=True):
            work.message_id = message_id or None
            work.sent_at_s, work.num_idle = time.monotonic(), 0
            if not message_id:  # the node has gone
                self._watch.lose(work.site, "is not connected any more")

    def _take_answers(self, works: dict[str, Work], errand: Errand) -> int:
        """Take in what has come, and return how many answers were good."""
        by_id = {work.message_id: work for work in works.values() if work.message_id}
        num_good = 0
        for reply in self.grid.pull_messages([key for key in by_id if key]) if by_id else ():
            work = by_id[reply.metadata.reply_to_message_id]
            if messages.is_lost(reply):
                work.message_id = None
                self._watch.lose(work.site, "is not connected any more")
                continue
            del works[work.site]
            self._watch.hear(work.site)
            self._learn(work, errand)
            num_good += _take(work.site, reply, errand)
        return num_good

    def _look_after(self, works: dict[str, Work], errand: Errand) -> None:
        """Look every second who is lost, who is back, and who may not take part any more."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + LOOK_EVERY_S
        for site in [site for site in works if not self._roll_call.is_allowed(site)]:
            del works[site]
            errand.fail(site, MessageError("It was revoked in this round."))
        self._watch.look(works.values())
        ready = self._roll_call.ready_nodes()
        again = [work for work in works.values() if work.site in ready and _is_lost(work, ready[work.site])]
        for work in again:
            work.node_id = ready[work.site]
            self._watch.hear(work.site)
        self._send(again)

    def _is_over(self, works: Collection[Work], cap_at_s: float, *, has_quorum: bool) -> bool:
        now_s = time.monotonic()
        return now_s >= cap_at_s or (
            has_quorum and all(self._has_had_its_time(work, now_s) for work in works)
        )

    def _has_had_its_time(self, work: Work, now_s: float) -> bool:
        lost_s = self._watch.lost_s(work.site)
        return now_s >= work.give_up_at_s or (lost_s is not None and lost_s >= self._config.lost_site_s)

    def _learn(self, work: Work, errand: Errand) -> None:
        if errand.size:
            kind, taken_s = work.task.metadata.message_type, time.monotonic() - work.begun_at_s
            self.pace.learn(work.site, kind, errand.size, taken_s)

    def _describe(self, works: dict[str, Work], errand: Errand, cap_at_s: float) -> str:
        """Say who is waited for, what each is at, and until when at most."""
        held_by = ", ".join(f"{work.site} ({self._tell(work)})" for work in works.values())
        left_s = max(0.0, cap_at_s - time.monotonic())
        return f"{errand.name} waits for {held_by}; {format_duration(left_s)} more at most."

    def _note(self, work: Work) -> str:
        """Say in a word how it is with a site at work, beside the state of its part."""
        if self._watch.lost_s(work.site) is not None:
            return LOST
        return f"{work.status.percent} %" if work.status and work.status.num_steps else ""

    def _tell(self, work: Work) -> str:
        lost_s = self._watch.lost_s(work.site)
        if lost_s is not None:
            return f"lost for {format_duration(lost_s)}"
        return str(work.status) if work.status else "at work"

    def _explain(self, work: Work) -> str:
        taken_s = time.monotonic() - work.begun_at_s
        return f"It has not answered in {format_duration(taken_s)} ({self._tell(work)})."


def _is_lost(work: Work, node_id: int) -> bool:
    """Say whether a task, or its answer, is lost: it is to be sent again to the site's node."""
    return work.message_id is None or work.node_id != node_id or work.num_idle >= NUM_IDLE


def _take(site: str, reply: Message, errand: Errand) -> bool:
    """Give one answer to who asked, and say whether it was good."""
    try:
        messages.content_of(reply)
    except MessageError as error:
        errand.fail(site, error)
        return False
    return errand.take(site, reply)
