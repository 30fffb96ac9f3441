"""Which sites at work are lost: cut off, killed or frozen. A long epoch is none of that.

The SuperLink notices a link that has ended after 20 seconds, and never a program that stands still behind a
link that lives. So sites at work are asked how far they are, and answer while they compute.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from flwr.app import Message, RecordDict

from fl_core.status import STATUS, Status, unpack_status
from fl_server.grid import PromptGrid
from fl_server.progress_table import format_duration
from fl_server.recorder import Recorder

ASK_EVERY_S = 10.0
SILENT_AFTER_S = 20.0
FORGET_AFTER_S = 30.0
SLOW_LINK_BYTES_PER_S = 250_000
"""2 Mbit/s: while a model is on its way over such a link, a site cannot answer."""


@dataclass
class Work:
    """What one site has been asked: until when it has, and what it was heard of since.

    ``name`` is that of the task; times are of ``time.monotonic``. There is no ``message_id`` while the task
    has to be sent again.
    """

    site: str
    task: Message = field(repr=False)
    name: str
    size_bytes: int
    begun_at_s: float
    give_up_at_s: float
    node_id: int = 0
    message_id: str | None = None
    sent_at_s: float = 0.0
    status: Status | None = None
    num_idle: int = 0

    @property
    def silent_after_s(self) -> float:
        """How long nothing may be heard of the site."""
        return SILENT_AFTER_S + self.size_bytes / SLOW_LINK_BYTES_PER_S


class SiteWatch:
    """Asks sites that are at work how far they are, and knows since when a site is lost."""

    def __init__(self, grid: PromptGrid, recorder: Recorder) -> None:
        self._grid = grid
        self._recorder = recorder
        self._heard_at_s: dict[str, float] = {}
        self._lost_at_s: dict[str, float] = {}
        self._asked: dict[str, tuple[Work, float]] = {}
        self._ask_at_s = 0.0

    def lost_s(self, site: str) -> float | None:
        """Return for how long a site has been lost; None if it is not."""
        lost_at_s = self._lost_at_s.get(site)
        return None if lost_at_s is None else time.monotonic() - lost_at_s

    def hear(self, site: str) -> None:
        """Note that a site has answered."""
        self._heard_at_s[site] = time.monotonic()
        if (lost_s := self.lost_s(site)) is not None:
            del self._lost_at_s[site]
            text = f"Site '{site}' is back after {format_duration(lost_s)}."
            self._recorder.keep_event("site_back", text, site)

    def lose(self, site: str, how: str) -> None:
        """Note that a site is lost, and say ``how``."""
        if site not in self._lost_at_s:
            self._lost_at_s[site] = time.monotonic()
            self._recorder.keep_event("site_lost", f"Site '{site}' {how}.", site)

    def look(self, works: Collection[Work]) -> None:
        """Take in what sites have told, name those that are silent for too long, and ask anew."""
        for reply in self._grid.pull_messages(list(self._asked)) if self._asked else ():
            self._take(*self._asked.pop(reply.metadata.reply_to_message_id), reply)
        now_s = time.monotonic()
        for work in works:
            silent_s = now_s - max(work.sent_at_s, self._heard_at_s.get(work.site, 0.0))
            if work.message_id and silent_s > work.silent_after_s:
                self.lose(
                    work.site, f"has not answered for {silent_s:.0f} s: it stands still, or its line does"
                )
        if now_s >= self._ask_at_s:
            self._ask_at_s = now_s + ASK_EVERY_S
            self._ask([work for work in works if work.message_id and now_s - work.sent_at_s >= ASK_EVERY_S])

    def _ask(self, works: Collection[Work]) -> None:
        now_s = time.monotonic()
        self._asked = {key: asked for key, asked in self._asked.items() if _is_awaited(*asked, now_s)}
        waiting = {work.site for work, _ in self._asked.values()}
        for work in works:
            if work.site not in waiting:
                question = Message(RecordDict(), dst_node_id=work.node_id, message_type=STATUS)
                self._asked |= {key: (work, now_s) for key in self._grid.push_messages([question]) if key}

    def _take(self, work: Work, asked_at_s: float, reply: Message) -> None:
        """Take in an answer; one that the SuperLink gives for a node that has gone says nothing."""
        if reply.has_error():
            return
        self.hear(work.site)
        work.status = unpack_status(reply)
        if asked_at_s > work.sent_at_s:
            work.num_idle = 0 if work.status.task == work.name else work.num_idle + 1


def _is_awaited(work: Work, asked_at_s: float, now_s: float) -> bool:
    """Say whether a question may still be answered: not after the task was sent to another program."""
    return asked_at_s > work.sent_at_s and now_s - asked_at_s < FORGET_AFTER_S
