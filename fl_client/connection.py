"""Waiting for the coordinator: one line a try, with growing pauses."""

import itertools
import socket
import time
from collections.abc import Callable, Iterator

CONNECT_TIMEOUT_S = 5.0
MAX_PAUSE_S = 30.0


def wait_for_server(address: str, say: Callable[[str], None]) -> None:
    """Return once something listens on ``address`` (HOST:PORT); every try that fails is one line."""
    for pause_s in _pauses_s():
        fault = _try_to_connect(address)
        if fault is None:
            return
        say(f"No coordinator at {address} ({fault}); trying again in {pause_s:.0f} s")
        time.sleep(pause_s)


def _try_to_connect(address: str) -> str | None:
    """Return None if the address answers, or else why not."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S):
            return None
    except OSError as error:
        return error.strerror or "no answer"


def _pauses_s() -> Iterator[float]:
    return itertools.chain((1.0, 2.0, 4.0, 8.0, 16.0), itertools.repeat(MAX_PAUSE_S))
