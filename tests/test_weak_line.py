"""A line carries what it is given, late and slowly if it is so, and nothing while it is cut."""

import socket
import threading
import time
from collections.abc import Iterator
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from tests.weak_line import CREDIT_S, PART_BYTES, Quality, WeakLine

LONG = bytes(range(256)) * 400


class Echo(BaseRequestHandler):
    def handle(self) -> None:
        while part := self.request.recv(1 << 16):
            self.request.sendall(part)


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield server.server_address[1]
        server.shutdown()


def call(line: WeakLine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=10)


def say(connection: socket.socket, words: bytes) -> bytes:
    connection.sendall(words)
    heard = b""
    while len(heard) < len(words):
        part = connection.recv(1 << 16)
        if not part:
            break
        heard += part
    return heard


def test_what_is_sent_arrives_whole_and_in_order(echo_port: int) -> None:
    with WeakLine(echo_port, Quality(lost_share=0.05)) as line, call(line) as connection:
        assert say(connection, LONG) == LONG
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_delay_is_paid_once_each_way(echo_port: int) -> None:
    with WeakLine(echo_port, Quality(delay_s=0.15)) as line, call(line) as connection:
        begun_s = time.monotonic()
        assert say(connection, LONG) == LONG
        assert 0.3 <= time.monotonic() - begun_s < 0.3 * len(LONG) / PART_BYTES


def test_rate_is_shared_by_all_connections(echo_port: int) -> None:
    with WeakLine(echo_port, Quality(bytes_per_s=200_000)) as line, call(line) as one, call(line) as other:
        begun_s = time.monotonic()
        for connection in (one, other):
            assert say(connection, bytes(50_000)) == bytes(50_000)
        assert time.monotonic() - begun_s >= 0.5 - CREDIT_S


def test_lost_packet_comes_later_and_holds_up_what_is_behind_it(echo_port: int) -> None:
    with WeakLine(echo_port, Quality(lost_share=1)) as line, call(line) as connection:
        begun_s = time.monotonic()
        assert say(connection, b"a") == b"a"
        assert time.monotonic() - begun_s >= 0.4


def test_cut_line_swallows_old_and_new_connections_without_a_word(echo_port: int) -> None:
    with WeakLine(echo_port) as line, call(line) as old:
        assert say(old, b"a") == b"a"
        line.cut()
        with call(line) as new:
            for connection in (old, new):
                connection.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    say(connection, b"b")
            line.mend()
            with pytest.raises(TimeoutError):
                say(old, b"c")
        with call(line) as again:
            assert say(again, b"d") == b"d"


def test_cut_that_is_told_breaks_connections_off_and_refuses_new_ones(echo_port: int) -> None:
    with WeakLine(echo_port) as line, call(line) as old:
        assert say(old, b"a") == b"a"
        line.cut(is_told=True)
        assert old.recv(1) == b""
        with call(line) as new:
            assert new.recv(1) == b""


def test_server_that_is_not_there_ends_the_connection(free_port: int) -> None:
    with WeakLine(free_port) as line, call(line) as connection:
        assert connection.recv(1) == b""
