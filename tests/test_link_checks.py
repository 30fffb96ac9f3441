import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from fl_client.key_file import make_key
from fl_client.link import Link
from fl_client.link_checks import is_clock_kept, look_at_clock, look_at_link
from fl_core.admission import LOOK_METHOD, Look
from fl_core.findings import Finding, Level
from fl_core.processes import find_free_port
from fl_core.versions import find_versions
from fl_server.certificates import Issued, issue_server_certificate, make_authority

HERE = "127.0.0.1"
Findings = dict[str, Finding]


def test_name_is_looked_up() -> None:
    name, _ = look_at_link(Link(f"localhost:{find_free_port()}"))
    assert name.text in {"localhost is 127.0.0.1.", "localhost is ::1."}


def test_name_that_nobody_has_is_a_fault_and_the_last_that_is_said() -> None:
    (name,) = look_at_link(Link("no-such-host.invalid:9092"))
    assert name.level is Level.FAULT
    assert name.text.startswith("The name no-such-host.invalid is not found: ")
    assert "DNS" in name.advice


def test_port_at_which_nobody_listens_yet_is_a_warning() -> None:
    port = find_free_port()
    *_, found = look_at_link(Link(f"{HERE}:{port}"))
    assert (found.level, found.text) == (Level.WARNING, f"Nothing listens on {HERE}:{port} at the moment.")


def test_port_that_does_not_answer_is_a_fault_of_the_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_client.link_checks.TIMEOUT_S", 0.2)
    with socket.create_server((HERE, 0), backlog=0) as server:
        address = server.getsockname()
        with socket.create_connection(address):  # the queue is full: the next knock is dropped
            *_, found = look_at_link(Link(f"{HERE}:{address[1]}"))
    assert found.level is Level.FAULT
    assert found.advice == f"Let TCP out to {HERE}:{address[1]} through the firewall."


def test_proxy_that_would_catch_this_machine_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_grpc_proxy", "elsewhere")
    (found,) = look_at_link(Link(f"{HERE}:9092"))
    assert (found.subject, found.advice) == ("proxy", f"Add {HERE} to no_grpc_proxy.")


def test_proxy_on_the_way_is_what_is_knocked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    port = find_free_port()
    monkeypatch.setenv("grpc_proxy", f"http://{HERE}:{port}")
    proxy, found = look_at_link(Link("fl.example.org:9092"))
    assert proxy.text == f"The way leads through {HERE}:{port}."
    assert (found.subject, found.level) == ("port", Level.WARNING)


@pytest.fixture(scope="module")
def authority() -> Issued:
    return make_authority()


LookIn = Callable[..., Findings]


@pytest.fixture
def look_in(authority: Issued, tmp_path: Path) -> Iterator[LookIn]:
    """Give a function that looks at a coordinator which answers with these bytes, by subject."""
    make_key(tmp_path, "north", replaces=False)
    server = grpc.server(futures.ThreadPoolExecutor(1))

    def look(answer: bytes, *, days: int = 365, kit_days: int = 365) -> Findings:
        method = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)
        _, service, name = LOOK_METHOD.split("/")
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {name: method})])
        issued = issue_server_certificate(authority, [HERE], days=days)
        pair = (issued.key_pem, issued.certificate_pem)
        port = server.add_secure_port(f"{HERE}:0", grpc.ssl_server_credentials([pair]))
        server.start()
        link = Link(
            f"{HERE}:{port}",
            authority.certificate_pem.decode(),
            tmp_path / "key",
            kit_expires_at=datetime.now(UTC) + timedelta(days=kit_days),
        )
        return {finding.subject: finding for finding in look_at_link(link)}

    yield look
    server.stop(None)


def answer(ahead_s: float = 0.0, *, is_enrolled: bool = True, **versions: str) -> bytes:
    return Look(
        time.time() + ahead_s, is_enrolled, find_versions() | versions if is_enrolled else {}
    ).to_bytes()


def test_coordinator_that_knows_the_site_is_well_in_all(look_in: LookIn) -> None:
    found = look_in(answer())
    assert list(found) == ["kit", "port", "coordinator", "certificate", "time", "enrolment", "versions"]
    assert {finding.level for finding in found.values()} == {Level.OK}


def test_what_expires_within_a_month_is_a_warning(look_in: LookIn) -> None:
    found = look_in(answer(), days=20, kit_days=20)
    assert [found[name].level for name in ("kit", "certificate")] == [Level.WARNING, Level.WARNING]


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (30, Level.OK, "The clocks agree."),
        (120, Level.WARNING, "The coordinator's clock is 120 s ahead."),
        (-3600, Level.FAULT, "The coordinator's clock is 3600 s behind."),
    ],
)
def test_clock_that_is_off_is_told_by_how_much(
    ahead_s: float, level: Level, words: str, look_in: LookIn
) -> None:
    found = look_in(answer(ahead_s))["time"]
    assert (found.level, found.text) == (level, words)


def test_key_that_is_not_enrolled_is_a_fault_and_learns_no_versions(look_in: LookIn) -> None:
    found = look_in(answer(is_enrolled=False))
    assert found["enrolment"].level is Level.FAULT
    assert "fl-client init" in found["enrolment"].advice
    assert "versions" not in found


@pytest.mark.parametrize(("name", "level"), [("fedluna", Level.FAULT), ("torch", Level.WARNING)])
def test_other_version_at_the_coordinator_is_told(name: str, level: Level, look_in: LookIn) -> None:
    found = look_in(answer(**{name: "0.0.1"}))["versions"]
    assert found.level is level
    assert found.text == f"The coordinator has {name} 0.0.1 (here {find_versions()[name]})."


@pytest.mark.parametrize("told", [b"", b"[]", b"{}", json.dumps({"time_s": "x"}).encode(), b"\xff"])
def test_answer_that_cannot_be_read_is_a_fault(told: bytes, look_in: LookIn) -> None:
    assert look_in(told)["door"].level is Level.FAULT


@pytest.mark.parametrize(("kept", "level"), [(True, Level.OK), (False, Level.WARNING), (None, Level.OK)])
def test_clock_that_nobody_keeps_is_a_warning(kept: bool | None, level: Level) -> None:  # noqa: FBT001
    finding = look_at_clock(lambda: kept)
    assert finding.level is level
    assert ("NTP" in finding.advice) is (level is Level.WARNING)


def test_system_tells_whether_the_clock_is_kept_or_that_it_does_not_know() -> None:
    assert is_clock_kept() in {True, False, None}
