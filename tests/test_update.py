import numpy as np
import pytest
from flwr.app import Message

from fl_core import messages, replies
from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_server.update import Update, as_arrays, as_numpy, average_losses

WEIGHTS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns first": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "number": np.array(0.5, np.float32),
    "nothing": np.zeros((0, 3), np.float32),
}


def make_update(loss: float, num_examples: int) -> Update:
    reply = TrainReply(TaskId("r1", 1), WEIGHTS, num_examples, loss, train_s=1.0, began_at_s=0.0)
    message = Message(replies.pack_train_reply(reply), dst_node_id=1, message_type="train")
    return Update.take(message, reply, norm=2.5)


def assert_same(found: messages.Weights) -> None:
    assert found.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)


def test_weights_are_seen_in_the_record_without_a_copy() -> None:
    arrays = as_arrays(WEIGHTS)
    assert_same(as_numpy(arrays))
    assert all(not tensor.flags.owndata for tensor in as_numpy(arrays).values())


def test_update_is_what_flower_averages(flower_identity: None) -> None:
    update = make_update(0.5, 120)
    assert_same(update.weights)
    assert update.message.content.metric_records[messages.METRICS] == {messages.NUM_EXAMPLES: 120}
    assert list(update.message.content.config_records) == []


def test_losses_are_weighed_by_examples(flower_identity: None) -> None:
    updates = {"north": make_update(0.4, 100), "south": make_update(0.8, 300)}
    assert average_losses(updates) == pytest.approx(0.7)
