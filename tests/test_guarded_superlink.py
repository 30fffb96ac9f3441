"""What the SuperLink keeps of messages that nobody needs any more."""

from dataclasses import dataclass

import numpy as np
import pytest
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.superlink.federation import NoOpFederationManager

from fl_core import messages
from fl_server.guarded_superlink import _delete_messages, _get_whole_replies

MODEL = RecordDict({messages.ARRAYS: messages.pack_weights({"w": np.zeros(1000, dtype=np.float32)})})


@pytest.fixture
def state(flower_identity: None) -> InMemoryLinkState:
    return InMemoryLinkState(NoOpFederationManager(), InMemoryObjectStore())


def store_parts(state: InMemoryLinkState, message: Message, *, left_out: str = "") -> str:
    """Keep what a message holds, as the SuperLink does."""
    message.metadata.__dict__["_message_id"] = message_id = message.object_id
    state.object_store.preregister(1, get_object_tree(message))
    for object_id, part in get_all_nested_objects(message).items():
        if object_id != left_out:
            state.object_store.put(object_id, part.deflate())
    return message_id


def store_message(state: InMemoryLinkState, node_id: int) -> str:
    message = Message(MODEL, dst_node_id=node_id, message_type="train")
    message_id = store_parts(state, message)
    state.message_ins_store[message_id] = message
    return message_id


def test_model_goes_with_the_last_message_that_holds_it(state: InMemoryLinkState) -> None:
    first, second = store_message(state, 5), store_message(state, 6)
    num_objects = len(state.object_store)
    _delete_messages(state, {first})  # its node has gone, and never fetched it
    assert len(state.object_store) == num_objects - 1
    _delete_messages(state, {second})
    assert len(state.object_store) == 0
    assert state.message_ins_store == {}


@dataclass(frozen=True)
class Upload:
    """A reply of which the weights are still on their way."""

    state: InMemoryLinkState
    node_id: int
    message_id: str
    missing: ArrayRecord

    def answers(self) -> list[Message]:
        return _get_whole_replies(self.state, {self.message_id}, 1)


@pytest.fixture
def upload(state: InMemoryLinkState, monkeypatch: pytest.MonkeyPatch) -> Upload:
    monkeypatch.setattr(state, "_check_stored_messages", lambda *_: None)  # it asks for a run of Flower's
    node_id = state.create_node("", "", b"key", heartbeat_interval=10)
    state.activate_node(node_id, heartbeat_interval=10)
    message_id = store_message(state, node_id)
    update = RecordDict({messages.ARRAYS: messages.pack_weights({"w": np.ones(9, dtype=np.float32)})})
    missing = update.array_records[messages.ARRAYS]
    reply = Message(update, reply_to=state.message_ins_store[message_id])
    reply.metadata.__dict__["_src_node_id"] = node_id
    reply_id = store_parts(state, reply, left_out=missing.object_id)
    state.message_res_store[reply_id] = reply
    state.message_ins_id_to_message_res_id[message_id] = reply_id
    return Upload(state, node_id, message_id, missing)


def test_reply_is_handed_out_once_all_of_it_is_there(upload: Upload) -> None:
    assert upload.answers() == []
    upload.state.object_store.put(upload.missing.object_id, upload.missing.deflate())
    (answer,) = upload.answers()
    assert not answer.has_error()


def test_reply_of_a_node_that_goes_in_the_midst_of_it_is_none(upload: Upload) -> None:
    upload.state.deactivate_node(upload.node_id)
    (answer,) = upload.answers()
    assert answer.error.code == ErrorCode.NODE_UNAVAILABLE
    _delete_messages(upload.state, {upload.message_id})
    assert upload.missing.object_id not in upload.state.object_store
