"""A proxy that loses answers: the server has done what was asked, and the client never hears of it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx
import numpy as np

NOT_FORWARDED = {"accept-encoding", "connection", "content-encoding", "content-length", "transfer-encoding"}


class LossyProxy(ThreadingHTTPServer):
    """Forwards to a server and drops ``lost_share`` of the answers, from 0 to 1; it may change at any time.

    Which ones follows from the seed. When the server is down the client hears nothing either, but that does
    not count as lost.
    """

    daemon_threads = True
    block_on_close = False  # a client may keep its connection for ever

    def __init__(self, target_url: str, *, lost_share: float = 0.0, seed: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Forwarder)
        self.lost_share = lost_share
        self.num_lost = 0
        self.target = httpx.Client(base_url=target_url, timeout=30)
        self._random = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def loses_this_answer(self) -> bool:
        with self._lock:
            is_lost = bool(self._random.random() < self.lost_share)
            self.num_lost += is_lost
            return is_lost

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self.target.close()


class Forwarder(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, or each answer takes 40 ms
    server: LossyProxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = [(name, value) for name, value in self.headers.items() if is_forwarded(name)]
        try:
            answer = self.server.target.request(self.command, self.path, content=body, headers=headers)
        except httpx.TransportError:
            self.close_connection = True
            return
        if self.server.loses_this_answer():
            self.close_connection = True
        else:
            self.reply(answer)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 (http.server's names)

    def reply(self, answer: httpx.Response) -> None:
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.multi_items():
            if is_forwarded(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name in the base class)
        """Say nothing: the tests look at the counts."""


def is_forwarded(header: str) -> bool:
    return header.lower() not in NOT_FORWARDED | {"host"}
