import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import psutil
import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState

from fl_client import prompt_supernode
from fl_client.link import Link
from fl_client.supernode import GIVE_UP_AFTER_S, SuperNode
from fl_core.processes import find_free_port
from tests.weak_line import WeakLine

pytestmark = pytest.mark.slow


def wait_until_ended(link: SuperNode, timeout_s: float) -> None:
    give_up_at = time.monotonic() + timeout_s
    while link.is_alive:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_link_without_a_coordinator_ends_by_itself(tmp_path: Path) -> None:
    with SuperNode.start(Link(f"127.0.0.1:{find_free_port()}"), tmp_path) as link:
        assert link.is_alive
        wait_until_ended(link, GIVE_UP_AFTER_S + 30)
    assert (tmp_path / "supernode.log").stat().st_size > 0


def test_link_ends_with_all_that_it_started(tmp_path: Path) -> None:
    with SuperNode.start(Link(f"127.0.0.1:{find_free_port()}"), tmp_path) as link:
        time.sleep(2)
        family = psutil.Process(link.process.pid).children(recursive=True)
    assert not link.is_alive
    _gone, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_two_sites_on_one_machine_use_ports_and_folders_of_their_own(tmp_path: Path) -> None:
    server = Link(f"127.0.0.1:{find_free_port()}")
    with SuperNode.start(server, tmp_path / "a") as a, SuperNode.start(server, tmp_path / "b") as b:
        assert a.runtime_address != b.runtime_address
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


class Waiting(grpc.GenericRpcHandler):
    """Answers no call before the end of the test."""

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda *_: bytes(self.is_over.wait()))


@pytest.fixture
def waiting_port() -> Iterator[int]:
    """Where a server keeps everybody waiting."""
    handler = Waiting()
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    handler.is_over.set()
    server.stop(None)


def test_connection_that_a_cut_network_leaves_standing_ends(
    waiting_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_supernode, "PINGS", [(name, 500) for name, _ms in prompt_supernode.PINGS])
    open_channel = prompt_supernode._with_pings(grpc.insecure_channel)
    with WeakLine(waiting_port) as line, open_channel(f"127.0.0.1:{line.port}", options=[]) as channel:
        call = channel.unary_unary("/fleet/pull").future(b"")
        assert grpc.channel_ready_future(channel).result(10) is None
        line.cut()
        assert call.exception(30).code() is grpc.StatusCode.UNAVAILABLE


class TestLoop:
    """What keeps Flower's loop going while a task is at work."""

    def test_nothing_to_fetch_is_no_reason_not_to_send(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prompt_supernode, "MAX_SLEEP_S", 0)
        assert prompt_supernode._pull_or_rest(lambda **_: None)() is not None
        assert prompt_supernode._pull_or_rest(lambda **_: 7)() == 7

    @pytest.mark.usefixtures("flower_identity")
    def test_reply_that_is_there_is_sent_once_and_none_is_waited_for(self) -> None:
        sent: list[int] = []
        state = InMemoryNodeState(InMemoryObjectStore())

        def push(*, state: InMemoryNodeState) -> None:
            sent.append(len(state.get_messages(is_reply=True)))

        push_if_any = prompt_supernode._push_if_any(push)
        question = Message(RecordDict(), dst_node_id=5, message_type="query.status")
        for number, message in enumerate((question, Message(RecordDict(), reply_to=question))):
            push_if_any(state=state)
            message.metadata.__dict__["_message_id"] = f"message-{number}"
            message.metadata.__dict__["_reply_to_message_id"] = "message-0" if number else ""
            state.store_message(message)
        push_if_any(state=state)
        push_if_any(state=state)
        assert sent == [1]
