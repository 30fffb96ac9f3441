import socket

import pytest

from fl_client.link_checks import is_clock_kept, look_at_clock, look_at_server
from fl_core.findings import Level
from fl_core.processes import find_free_port


def test_coordinator_that_listens_is_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name, port = look_at_server(f"localhost:{server.getsockname()[1]}")
    assert (name.level, port.level) == (Level.OK, Level.OK)
    assert name.text.startswith("localhost is ")


def test_name_that_nobody_has_is_a_fault_and_the_last_that_is_said() -> None:
    (name,) = look_at_server("no-such-host.invalid:9092")
    assert name.level is Level.FAULT
    assert name.text.startswith("The name no-such-host.invalid is not found: ")
    assert "DNS" in name.advice


def test_port_at_which_nobody_listens_yet_is_a_warning() -> None:
    port = find_free_port()
    *_, found = look_at_server(f"127.0.0.1:{port}")
    assert (found.level, found.text) == (
        Level.WARNING,
        f"Nothing listens on 127.0.0.1:{port} at the moment.",
    )


def test_port_that_does_not_answer_is_a_fault_of_the_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_client.link_checks.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        with socket.create_connection(address):  # the queue is full: the next knock is dropped
            *_, found = look_at_server(f"127.0.0.1:{address[1]}")
    assert found.level is Level.FAULT
    assert found.advice == f"Let TCP out to 127.0.0.1:{address[1]} through the firewall."


@pytest.mark.parametrize(("kept", "level"), [(True, Level.OK), (False, Level.WARNING), (None, Level.OK)])
def test_clock_that_nobody_keeps_is_a_warning(kept: bool | None, level: Level) -> None:  # noqa: FBT001
    finding = look_at_clock(lambda: kept)
    assert finding.level is level
    assert ("NTP" in finding.advice) is (level is Level.WARNING)


def test_system_tells_whether_the_clock_is_kept_or_that_it_does_not_know() -> None:
    assert is_clock_kept() in {True, False, None}
