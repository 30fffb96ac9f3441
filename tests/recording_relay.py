"""A relay on loopback that keeps every byte that passes, and reads it as gRPC where there is no TLS."""

import contextlib
import socket
import threading
from collections import defaultdict
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Self

from hpack import Decoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_SIZE = 9
UNCOMPRESSED = 0


class RecordingRelay(ThreadingTCPServer):
    """Passes on to a port of this machine; ``sent`` and ``received`` hold the bytes of each connection.

    ``sent`` is what came from those who connected here.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.target_port = target_port
        self.sent: list[bytearray] = []
        self.received: list[bytearray] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class Passage(BaseRequestHandler):
    """One connection."""

    server: RecordingRelay

    def handle(self) -> None:
        sent, received = bytearray(), bytearray()
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", self.server.target_port)) as target,
        ):
            self.server.sent.append(sent)
            self.server.received.append(received)
            back = threading.Thread(target=pass_on, args=(target, self.request, received))
            back.start()
            pass_on(self.request, target, sent)
            back.join()


def pass_on(source: socket.socket, target: socket.socket, record: bytearray) -> None:
    """Carry over what comes until one end closes, then tell the other."""
    try:
        while part := source.recv(1 << 16):
            record += part
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # the other end has gone without a word
        target.close()


def read_calls(stream: bytes) -> bytes:
    """Return what one end of an HTTP/2 connection said: the headers and messages of each gRPC call.

    In the stream itself headers are packed, and messages are cut into frames.
    """
    decoder = Decoder()
    said: defaultdict[int, bytearray] = defaultdict(bytearray)
    data: defaultdict[int, bytearray] = defaultdict(bytearray)
    for frame in list_frames(stream):
        if isinstance(frame, DataFrame):
            data[frame.stream_id] += frame.data
        elif isinstance(frame, HeadersFrame):
            for name, value in decoder.decode(frame.data, raw=True):
                said[frame.stream_id] += name + b": " + value + b"\n"
    return b"\n".join(bytes(said[call]) + unpack_messages(data[call]) for call in said | data)


def list_frames(stream: bytes) -> list[Frame]:
    """Return the whole frames of one direction."""
    view = memoryview(stream.removeprefix(PREFACE))
    frames = []
    while len(view) >= HEAD_SIZE:
        frame, size = Frame.parse_frame_header(view[:HEAD_SIZE])
        assert not isinstance(frame, ContinuationFrame), "headers of several frames are not read"
        if len(view) < HEAD_SIZE + size:
            break
        frame.parse_body(view[HEAD_SIZE : HEAD_SIZE + size])
        frames.append(frame)
        view = view[HEAD_SIZE + size :]
    return frames


def unpack_messages(data: bytearray) -> bytes:
    """Return the messages of a call without their lengths; an AssertionError if one is compressed."""
    messages = bytearray()
    while data:
        size = int.from_bytes(data[1:5])
        assert data[0] == UNCOMPRESSED, "a compressed message is not read"
        messages += data[5 : 5 + size]
        data = data[5 + size :]
    return bytes(messages)
