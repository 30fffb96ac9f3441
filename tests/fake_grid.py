"""Flower's Grid in memory, and sites that answer it, for tests of what the coordinator does."""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fl_core import messages, replies, status
from fl_core.messages import Weights
from fl_core.replies import EvaluateReply, JoinReply, PrepareReply, TrainReply
from fl_core.status import Status
from luna16.counts import (
    NUM_REPLICATE_BINS,
    NUM_REPLICATES,
    BandCounts,
    EvalCounts,
    Int32Array,
    IntArray,
    Replicates,
    count_by_bin,
)
from luna16.data_card import DataCard, make_data_card
from luna16.detection.counts import DetectionCounts

SUPERLINK_NODE_ID = 1

Answer = RecordDict | Error | None
Answerer = Callable[[Message], Answer]


class FakeGrid(Grid):
    """Gives each message to the answerer of its node at once; None is no answer.

    Each pull returns one reply at most. As with Flower, an error comes from the SuperLink; a node that is
    not online gets no message, and what it has not answered when it goes is answered for it. ``names``
    are those that keys were registered with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[int, Answerer] = {}
        self.names: dict[int, str] = {}
        self.sent: list[Message] = []
        self.last_first = False
        self._replies: list[Message] = []
        self._answered: set[str] = set()

    def get_node_ids(self) -> Iterable[int]:
        return list(self.nodes)

    def get_nodes(self) -> Iterable[NodeInfo]:
        return [NodeInfo(node_id=node_id, name=self.names.get(node_id, "")) for node_id in self.nodes]

    def push_messages(self, messages: Iterable[Message]) -> list[str | None]:  # type: ignore[override]
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str | None:
        answerer = self.nodes.get(message.metadata.dst_node_id)
        if answerer is None:
            return None
        message = copy.deepcopy(message)  # as sent: a strategy fills the same records anew each round
        self.sent.append(message)
        message.metadata.__dict__["_message_id"] = f"message-{len(self.sent)}"
        answer = answerer(message)
        if answer is not None:
            self._reply(message, answer)
        return message.metadata.message_id

    def _reply(self, message: Message, answer: RecordDict | Error) -> None:
        reply = Message(answer, reply_to=message)
        if reply.has_error():
            reply.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
        self._answered.add(message.metadata.message_id)
        self._replies.append(reply)

    def answer_late(self, node_id: int, answer: RecordDict | Error) -> None:
        """Answer the last message that a node was sent, which it had left without an answer."""
        self._reply([m for m in self.sent if m.metadata.dst_node_id == node_id][-1], answer)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        wanted_ids = set(message_ids)
        for message in self.sent:
            is_gone = message.metadata.dst_node_id not in self.nodes
            if is_gone and message.metadata.message_id in wanted_ids - self._answered:
                self._reply(message, Error(ErrorCode.NODE_UNAVAILABLE, "The node is gone."))
        wanted = [reply for reply in self._replies if reply.metadata.reply_to_message_id in wanted_ids]
        found = wanted[-1:] if self.last_first else wanted[:1]
        self._replies = [reply for reply in self._replies if reply not in found]
        return found

    def types_sent_to(self, node_id: int) -> list[str]:
        return [m.metadata.message_type for m in self.sent if m.metadata.dst_node_id == node_id]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        raise NotImplementedError

    def create_message(self, *_: object) -> Message:
        raise NotImplementedError

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Run:
        raise NotImplementedError


def evaluation_of(counts: EvalCounts, *, with_replicates: bool = False) -> EvaluateReply:
    """Give a site's answer with these counts: all nodules are of 8 to 15 mm, and all replicates alike."""
    bands = BandCounts.zero()
    bands.num_nodules[2], bands.nodules_hit[2] = counts.num_nodules, counts.nodules_hit
    replicates = repeat_counts(counts) if with_replicates else None
    return EvaluateReply(counts, bands, evaluate_s=0.5, began_at_s=time.time(), replicates=replicates)


def repeat_counts(counts: EvalCounts) -> Replicates:
    """Give replicates in each of which every scan counts once."""

    def repeat(value: int | IntArray) -> Int32Array:
        bins = np.reshape(value, (NUM_REPLICATE_BINS, -1)).sum(axis=1) if np.ndim(value) else value
        return np.broadcast_to(np.int32(bins), (NUM_REPLICATES, *np.shape(bins))).copy()

    return Replicates(**{f.name: repeat(getattr(counts, f.name)) for f in fields(Replicates)})


@dataclass
class FakeSite:
    """Answers as a site does, with an update and counts that a test chooses.

    ``instead`` holds what it answers to a type of message in place of that.
    """

    name: str
    instance: str = "first"
    weights: Weights = field(default_factory=dict)
    num_examples: int = 100
    num_train_patches: int = 1000
    loss: float = 0.5
    logits_of_nodules: tuple[float, ...] = (1.0, 2.0)
    logits_of_others: tuple[float, ...] = (-1.0, -2.0)
    num_scans: int = 2
    clock_ahead_s: float = 0.0
    card: DataCard = field(default_factory=lambda: make_data_card([]))
    shares_model: bool = False
    shares_log: bool = False
    status: Status = field(default_factory=Status)
    instead: dict[str, Answer] = field(default_factory=dict)

    def __call__(self, message: Message) -> Answer:
        message_type = message.metadata.message_type
        return self.instead[message_type] if message_type in self.instead else self.answer(message)

    def answer(self, message: Message) -> Answer:
        match message.metadata.message_type:
            case messages.JOIN:
                return replies.pack_join_reply(JoinReply(self.name, self.instance, "0.1.0"))
            case messages.PREPARE:
                prepared = PrepareReply(
                    *(7, 2, self.num_train_patches, self.card, self.clock_s),
                    shares_model=self.shares_model,
                    shares_log=self.shares_log,
                )
                return replies.pack_prepare_reply(prepared)
            case status.STATUS:
                return status.pack_status(self.status)
            case "train":
                task = messages.unpack_task_id(message.content)
                update = TrainReply(task, self.weights, self.num_examples, self.loss, 0.0, self.clock_s)
                return replies.pack_train_reply(update)
            case "evaluate":
                is_asked = messages.wants_intervals(message.content)
                evaluation = evaluation_of(self.counts, with_replicates=is_asked)
                whole = self.detection if messages.wants_detection(message.content) else None
                evaluation = replace(evaluation, evaluate_s=0.0, began_at_s=self.clock_s, detection=whole)
                return replies.pack_evaluate_reply(evaluation)
            case _:
                return RecordDict()

    @property
    def clock_s(self) -> float:
        """What its clock shows."""
        return time.time() + self.clock_ahead_s

    @property
    def detection(self) -> DetectionCounts:
        """Counts of whole scans with the same marks, among 100 candidates a scan that hit every nodule."""
        return DetectionCounts(self.counts, 100 * self.num_scans, self.counts.num_nodules)

    @property
    def counts(self) -> EvalCounts:
        """Counts of scans in which every nodule was hit and nothing else marked."""
        nodules, others = (
            count_by_bin(np.array(logits)) for logits in (self.logits_of_nodules, self.logits_of_others)
        )
        return EvalCounts(
            num_scans=self.num_scans,
            num_nodules=len(self.logits_of_nodules),
            positive_loss_sum=1.0,
            negative_loss_sum=1.0,
            positives=nodules,
            negatives=others,
            nodules_hit=nodules,
            false_positives=others,
        )
