"""Which node is which hospital: asks everyone who connects, lets them prepare, and refuses a taken name.

Where keys are registered a site is who its key says; one that calls itself otherwise is refused. A site that
the coordinator has shut out is refused too; one that is in a round has no part in its result.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flwr.app import Message, RecordDict

from fl_core import messages, replies
from fl_core.config import TaskSettings, check_site_name
from fl_core.errors import ConfigError, MessageError, RunFailedError, TaskDeclinedError
from fl_core.replies import JoinReply, PrepareReply
from fl_server.card_watch import CardWatch
from fl_server.grid import PromptGrid
from fl_server.member import Member
from fl_server.progress_table import format_duration
from fl_server.recorder import Recorder
from fl_server.run_control import RunControl
from fl_server.site_clock import Exchange
from fl_server.wait_lines import WaitLines
from fl_store.rows import STATE_SEPARATOR, SiteRow, utc_now

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What a node was asked, and when."""

    node_id: int
    message_type: str
    asked_at: datetime


class RollCall:
    """Keeps the list of sites up to date; nothing here but ``wait_for`` ever waits.

    ``on_ready`` is told each site that has prepared its data.
    """

    def __init__(
        self, grid: PromptGrid, recorder: Recorder, settings: TaskSettings, control: RunControl
    ) -> None:
        self._grid = grid
        self._control = control
        self._recorder = recorder
        self._prepare = RecordDict({messages.CONFIG: messages.pack_settings(settings, recorder.run_id)})
        self.on_ready: Callable[[str], None] = lambda _site: None
        self._members: dict[str, Member] = {}
        self._names: dict[int, str] = {}
        self._met: set[int] = set()
        self._left_out: set[str] = set()
        self._asked: dict[str, Question] = {}
        self._cards = CardWatch(recorder, grid.tick_when_due)

    def wait_for(self, num_sites: int, timeout_s: float) -> None:
        """Return once ``num_sites`` sites are connected and ready; RunFailedError after ``timeout_s``.

        While the run is paused it rests here, however long that is.

        Then a site whose data differ much from the others' is named, once for each thing that differs, and
        how far each two are apart is kept.
        """
        self._control.look()
        give_up_at, lines = time.monotonic() + timeout_s, WaitLines(self._recorder)
        while self._control.is_paused or len(ready := self._gather()) < num_sites:
            if self._control.rest_while_paused(self._grid.rest):
                give_up_at = time.monotonic() + timeout_s
            elif time.monotonic() > give_up_at:
                raise RunFailedError(
                    f"Waited {timeout_s:.0f} s for {num_sites} sites; "
                    f"ready were: {', '.join(ready) or 'none'}. "
                    "Start more sites, or lower min_sites in [federation]."
                )
            else:
                lines.tell_when_due(_describe_wait(num_sites, ready, give_up_at))
                self._grid.rest()
        self._cards.compare({site: card for site in ready if (card := self._members[site].card)})

    def call(self) -> None:
        """Ask new nodes who they are, and take in the answers that have come."""
        online = self._grid.get_online_node_ids()
        self._met &= online  # one that comes back with the same key may be another program with other data
        for node_id in online - self._met:
            self._ask(node_id, messages.JOIN, RecordDict())
        for reply in self._grid.pull_messages(list(self._asked)) if self._asked else ():
            self._take_in(self._asked.pop(reply.metadata.reply_to_message_id), reply)
        self._grid.node_ids = frozenset(
            member.node_id
            for site, member in self._members.items()
            if member.is_ready and site not in self._left_out
        )

    def tick(self, notes: Mapping[str, str] | None = None) -> None:
        """Look at what was asked, call, and write who is there: every few seconds, as that goes to disk.

        ``notes`` are added to the states of sites.
        """
        self._control.look()
        self.call()
        online = self._grid.get_online_node_ids()
        self._recorder.keep_presence(
            {
                site: self._describe(site, member, (notes or {}).get(site))
                for site, member in self._members.items()
                if member.node_id in online
            }
        )

    def _describe(self, site: str, member: Member, note: str | None) -> str:
        state = self._state_of(site, member)
        return f"{state}{STATE_SEPARATOR}{note}" if note else state

    def _state_of(self, site: str, member: Member) -> str:
        if not self._control.is_allowed(site):
            return "revoked"
        if not member.is_ready:
            return "preparing"
        return self._recorder.site_round_states().get(site, "ready")

    def ready_nodes(self) -> dict[str, int]:
        """Return the node of each site that is connected and ready at this moment."""
        online = self._grid.get_online_node_ids()
        members = ((site, m) for site, m in self._members.items() if m.is_ready and m.node_id in online)
        return {site: member.node_id for site, member in members}

    def is_allowed(self, site: str) -> bool:
        """Say whether a site may take part at this moment."""
        return self._control.is_allowed(site)

    def site_of(self, node_id: int) -> str:
        """Return the name of the site behind a node that is or was a member."""
        return self._names[node_id]

    def member(self, site: str) -> Member:
        """Return a site that is or was connected."""
        return self._members[site]

    def tell_left_out(self, site: str, reason: str) -> None:
        """Let a member know why its update is not in the average."""
        self._ask(self._members[site].node_id, messages.LEFT_OUT, messages.pack_reason(reason))

    def _gather(self) -> list[str]:
        """Return the sites that are ready for a round; only here is one left out or let in again."""
        self._left_out = {site for site in self._members if not self._control.is_allowed(site)}
        self.call()
        return sorted(self._names[node_id] for node_id in self._grid.get_node_ids())

    def _ask(self, node_id: int, message_type: str, content: RecordDict) -> None:
        self._met.add(node_id)
        now = utc_now()
        message = Message(content, dst_node_id=node_id, message_type=message_type)
        for message_id in self._grid.push_messages([message]):
            if message_id and message_type in {messages.JOIN, messages.PREPARE}:
                self._asked[message_id] = Question(node_id, message_type, now)

    def _take_in(self, question: Question, reply: Message) -> None:
        node_id = question.node_id
        site = self._names.get(node_id)
        if messages.is_lost(reply):
            self._met.discard(node_id)  # it is asked anew as soon as it is there
            return
        try:
            content = messages.content_of(reply)
            if question.message_type == messages.JOIN:
                self._admit(node_id, replies.unpack_join_reply(content))
            else:
                self._make_ready(node_id, question.asked_at, replies.unpack_prepare_reply(content))
        except TaskDeclinedError as error:
            text = f"Site '{site or 'unknown'}' declined to prepare for this run: {error}"
            self._recorder.keep_event("site_declined", text, site)
        except MessageError as error:
            self._recorder.keep_event("site_failed", f"Site '{site or 'unknown'}' cannot join: {error}", site)

    def _admit(self, node_id: int, who: JoinReply) -> None:
        try:
            check_site_name(who.site)
        except ConfigError as error:
            self._refuse(node_id, str(error))
            return
        registered = self._grid.find_registered_name(node_id)
        if registered not in {None, who.site}:
            self._refuse(
                node_id, f"It calls itself '{who.site}', but its key is that of '{registered}'.", registered
            )
            return
        if not self._control.is_allowed(who.site):
            self._refuse(
                node_id, f"The coordinator does not let site '{who.site}' take part. Ask who runs it."
            )
            return
        holder = self._members.get(who.site)
        others = self._grid.get_online_node_ids() - {node_id}  # a node is one key, and the same site
        if holder and holder.node_id in others and holder.who.instance != who.instance:
            self._refuse(node_id, f"A connected site has the name '{who.site}' already. Choose another.")
            return
        # what it trains for us now, if it was cut off, is of what it had: its card comes later
        new = replace(holder, node_id=node_id, who=who, card=None) if holder else Member(node_id, who)
        self._members[who.site] = new
        self._names[node_id] = who.site
        text = f"Site '{who.site}' has joined with FedLuna {who.version}."
        self._recorder.keep_event("site_joined", text, who.site)
        self._ask(node_id, messages.PREPARE, self._prepare)

    def _make_ready(self, node_id: int, asked_at: datetime, data: PrepareReply) -> None:
        site = self._names[node_id]
        member = self._members[site]
        if member.node_id != node_id:
            return  # the site has come back with a new node, which is still to answer
        member.make_ready(data)
        now = utc_now()
        scans = data.num_train_scans, data.num_validation_scans
        self._recorder.keep_site(SiteRow(site, str(node_id), *scans, now, now, member.who.version))
        self._recorder.keep_data_card(site, data.card)
        exchange = Exchange(asked_at.timestamp(), data.began_at_s, now.timestamp())
        self._recorder.start_clock(site, exchange)
        self._recorder.keep_event(
            "site_ready",
            f"Site '{site}' is ready: {data.num_train_scans} scans to train on, "
            f"{data.num_validation_scans} to validate on{_count_set_aside(data.num_set_aside)}.",
            site,
        )
        self.on_ready(site)

    def _refuse(self, node_id: int, reason: str, site: str | None = None) -> None:
        self._recorder.keep_event("site_refused", f"A node was refused: {reason}", site)
        self._ask(node_id, messages.REFUSE, messages.pack_reason(reason))


def _count_set_aside(num_scans: int) -> str:
    return f"; it cannot use {num_scans} more" if num_scans else ""


def _describe_wait(num_sites: int, ready: list[str], give_up_at: float) -> str:
    left_s = max(0.0, give_up_at - time.monotonic())
    there = ", ".join(ready) or "none"
    return f"Waits for {num_sites} sites; ready are: {there}; {format_duration(left_s)} more at most."
