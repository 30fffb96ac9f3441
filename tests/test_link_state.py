from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from flwr.common.constant import NOOP_FLWR_AID, ErrorCode
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation.noop_federation_manager import NoOpFederationManager

from fl_core.messages import ARRAYS, pack_weights
from fl_server.link_state import PatientLinkState


@dataclass
class Link:
    """What a SuperLink keeps of one run and one node, which was sent a task."""

    state: PatientLinkState = field(
        default_factory=lambda: PatientLinkState(NoOpFederationManager(), InMemoryObjectStore())
    )

    @property
    def store(self) -> Any:
        return self.state.object_store

    def __post_init__(self) -> None:
        self.run_id = self.state.create_run(
            None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP
        )
        self.node_id = self.state.create_node(NOOP_FLWR_AID, "us", b"key", heartbeat_interval=10)
        self.state.activate_node(self.node_id, heartbeat_interval=10)
        TaskIdentity._run_id = self.run_id
        self.task = self.send_task()

    def send_task(self) -> Message:
        content = RecordDict({ARRAYS: pack_weights({"w": np.zeros(1000)})})
        task = Message(content, dst_node_id=self.node_id, message_type="train")
        task.metadata.__dict__["_message_id"] = task.object_id
        session = self.state.start_session(self.run_id)
        assert self.state.store_message_and_object_tree(task, get_object_tree(task), session)[0]
        self.send(task, session)
        return task

    def announce(self) -> tuple[Message, str]:
        """Store a reply, of which the content is still to come."""
        TaskIdentity._node_id = self.node_id
        content = RecordDict({ARRAYS: pack_weights({"w": np.zeros(3)})})
        reply = Message(content, reply_to=self.task)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        session = self.state.start_session(self.run_id)
        assert self.state.store_message_and_object_tree(reply, get_object_tree(reply), session)[0]
        return reply, session

    def send(self, message: Message, session: str) -> None:
        for name, part in get_all_nested_objects(message).items():
            self.state.store_object(self.run_id, session, name, part.deflate())

    def fetch(self) -> list[Message]:
        return self.state.get_message_res({self.task.metadata.message_id}, self.run_id)


@pytest.fixture
def link(flower_identity: None) -> Link:
    return Link()


def test_reply_is_handed_out_once_it_is_whole(link: Link) -> None:
    assert link.fetch() == []
    announced = link.announce()
    assert link.fetch() == []
    link.send(*announced)
    assert [reply.metadata.message_id for reply in link.fetch()] == [announced[0].metadata.message_id]


def test_node_that_goes_in_the_middle_of_its_reply_has_gone(link: Link) -> None:
    announced, _ = link.announce()
    link.state.deactivate_node(link.node_id)
    (reply,) = link.fetch()
    assert reply.error.code == ErrorCode.NODE_UNAVAILABLE
    assert not [part for part in get_all_nested_objects(announced) if part in link.store]


def test_model_goes_with_the_last_message_that_holds_it(link: Link) -> None:
    another = link.send_task()
    num_objects = len(link.store)
    link.state.delete_messages({link.task.metadata.message_id})
    assert len(link.store) == num_objects - 1
    link.state.delete_messages({another.metadata.message_id})
    assert len(link.store) == 0


def test_whole_reply_counts_although_its_node_has_gone(link: Link) -> None:
    link.send(*link.announce())
    link.state.deactivate_node(link.node_id)
    (reply,) = link.fetch()
    assert reply.has_content()


def test_node_that_never_came_can_be_unregistered_and_its_key_registered_again(link: Link) -> None:
    node_id = link.state.create_node(NOOP_FLWR_AID, "us", b"other", heartbeat_interval=10)
    link.state.delete_node(NOOP_FLWR_AID, node_id)
    assert link.state.create_node(NOOP_FLWR_AID, "us", b"other", heartbeat_interval=10) != node_id
