import itertools
import socket

import pytest

from fl_client import connection
from fl_client.connection import wait_for_server
from fl_core.processes import find_free_port


@pytest.fixture
def pauses_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses between tries, and do not make them."""
    made: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", made.append)
    return made


def test_coordinator_that_is_there_is_found_without_a_word(pauses_s: list[float]) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        wait_for_server(f"127.0.0.1:{server.getsockname()[1]}", said.append)
    assert said == pauses_s == []


def test_every_failed_try_is_one_line_and_the_next_may_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    port = find_free_port()
    opened = []
    monkeypatch.setattr(
        connection.time, "sleep", lambda _s: opened.append(socket.create_server(("127.0.0.1", port)))
    )
    wait_for_server(f"127.0.0.1:{port}", said.append)
    assert said == [f"No coordinator at 127.0.0.1:{port} (Connection refused); trying again in 1 s"]
    opened[0].close()


def test_pauses_grow_to_half_a_minute() -> None:
    assert list(itertools.islice(connection._pauses_s(), 7)) == [1, 2, 4, 8, 16, 30, 30]


def test_pauses_go_on_for_weeks() -> None:
    assert next(itertools.islice(connection._pauses_s(), 100_000, None)) == 30


def test_name_that_nobody_has_is_told() -> None:
    fault = connection._try_to_connect("no-such-host.invalid:9092")
    assert fault is not None
    assert "\n" not in fault
