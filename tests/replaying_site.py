"""A site that is enrolled and means ill: it sends updates again, and updates of another run."""

import time
from dataclasses import replace
from importlib.metadata import version

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fl_core import messages, replies
from fl_core.messages import TaskId
from fl_core.replies import JoinReply, PrepareReply, TrainReply
from luna16.data_card import make_data_card


def make_replaying_app(site: str, told: list[str]) -> ClientApp:
    """Answer round 1 well; in round 2 first with the update of round 1, then with that of another run.

    ``told`` is filled with what the coordinator says to that.
    """
    app = ClientApp()
    sent: list[TrainReply] = []

    @app.query("join")
    def join(message: Message, context: Context) -> Message:
        reply = JoinReply(site, "replaying", version("fedluna"))
        return Message(replies.pack_join_reply(reply), reply_to=message)

    @app.query("prepare")
    def prepare(message: Message, context: Context) -> Message:
        reply = PrepareReply(1, 1, 100, make_data_card([]), time.time())
        return Message(replies.pack_prepare_reply(reply), reply_to=message)

    @app.query("left_out")
    def left_out(message: Message, context: Context) -> Message:
        told.append(messages.unpack_reason(message.content))
        return Message(RecordDict(), reply_to=message)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        reply = _make_update(message)
        if len(sent) == 1:
            reply = sent[0]
        elif len(sent) == 2:
            reply = replace(reply, task=TaskId("another-run", reply.task.round_no))
        sent.append(reply)
        return Message(replies.pack_train_reply(reply), reply_to=message)

    return app


def _make_update(message: Message) -> TrainReply:
    weights = messages.unpack_weights(message.content)
    changed = {name: tensor * 1.001 for name, tensor in weights.items()}
    task = messages.unpack_task_id(message.content)
    return TrainReply(task, changed, num_examples=10, loss=0.7, train_s=0.1, began_at_s=time.time())
