"""The relay passes gRPC on, and reads what was said from the recorded bytes."""

from concurrent import futures

import grpc
import pytest

from tests.recording_relay import RecordingRelay, read_calls

LONG = b"Much is said. " * 10_000  # many frames


def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
    return b"Heard: " + request


class Echo(grpc.GenericRpcHandler):
    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture(scope="module")
def relay() -> RecordingRelay:
    """A relay after one call through it."""
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with RecordingRelay(port) as relay, grpc.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
        call = channel.unary_unary("/hospital/tell")
        assert call(LONG, metadata=[("who", "north")], wait_for_ready=True) == b"Heard: " + LONG
    server.stop(None)
    return relay


def test_both_directions_are_recorded_whole(relay: RecordingRelay) -> None:
    (sent,), (received,) = relay.sent, relay.received
    assert LONG not in sent  # it is cut into frames
    assert LONG in read_calls(bytes(sent))
    assert b"Heard: " + LONG in read_calls(bytes(received))


def test_headers_are_unpacked(relay: RecordingRelay) -> None:
    (sent,) = relay.sent
    assert b":path: /hospital/tell\n" in read_calls(bytes(sent))
    assert b"who: north\n" in read_calls(bytes(sent))


def test_compressed_message_is_not_passed_over_in_silence() -> None:
    frame = bytes((0, 0, 6, 0, 0, 0, 0, 0, 1))  # six bytes of data
    with pytest.raises(AssertionError, match="compressed"):
        read_calls(frame + bytes((1, 0, 0, 0, 1, 65)))


def test_server_that_is_not_there_ends_the_connection(free_port: int) -> None:
    with (
        RecordingRelay(free_port) as relay,
        grpc.insecure_channel(f"127.0.0.1:{relay.port}") as channel,
        pytest.raises(grpc.RpcError) as error,
    ):
        channel.unary_unary("/hospital/tell")(b"", timeout=10)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
