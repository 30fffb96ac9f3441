import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
import pytest

from fl_core.errors import ConfigError
from fl_core.processes import find_free_port
from fl_core.proxies import find_proxy
from fl_core.trial import PREFACE, try_link
from fl_server.certificates import Issued, issue_server_certificate, make_authority

PROXY = ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy")
Serve = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> Issued:
    return make_authority()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function that serves gRPC with a certificate, or without TLS, and returns the address."""
    servers: list[grpc.Server] = []

    def start(issued: Issued | None) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(1))
        servers.append(server)
        if issued is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            pair = (issued.key_pem, issued.certificate_pem)
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        server.start()
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)


def pem(issued: Issued) -> str:
    return issued.certificate_pem.decode()


def test_coordinator_that_is_as_it_should_be_has_no_fault(serve: Serve, authority: Issued) -> None:
    issued = issue_server_certificate(authority, ["fl.example.org"])
    assert try_link(serve(issued), pem(authority), name="fl.example.org") is None
    assert try_link(serve(None), None) is None


def test_name_that_the_certificate_does_not_cover_is_told(serve: Serve, authority: Issued) -> None:
    issued = issue_server_certificate(authority, ["fl.example.org"])
    fault = try_link(serve(issued), pem(authority), name="other.example.org")
    assert fault is not None
    assert "does not cover the name 'other.example.org'" in fault.text
    assert fault.is_final


def test_coordinator_that_is_not_there_may_come_yet() -> None:
    fault = try_link(f"127.0.0.1:{find_free_port()}", None)
    assert fault is not None
    assert (fault.text, fault.is_final) == ("Connection refused", False)


def test_name_that_nobody_has_is_told_in_one_line(authority: Issued) -> None:
    fault = try_link("no-such-host.invalid:9092", pem(authority))
    assert fault is not None
    assert "\n" not in fault.text
    assert not fault.is_final


@pytest.mark.parametrize(
    ("num_bytes_read", "text", "is_final"),
    [(len(PREFACE), "does not answer without TLS", True), (0, "Connection reset by peer", False)],
    ids=["hangs up", "is killed"],
)
def test_who_hangs_up_on_us_is_no_coordinator_unless_it_was_killed(
    num_bytes_read: int, text: str, *, is_final: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=hang_up, args=(server, num_bytes_read), daemon=True).start()
        fault = try_link(f"127.0.0.1:{port}", None)
    assert fault is not None
    assert (text in fault.text, fault.is_final) == (True, is_final)


@pytest.mark.parametrize("is_tls", [False, True])
def test_coordinator_that_stands_still_may_answer_yet(
    authority: Issued, monkeypatch: pytest.MonkeyPatch, *, is_tls: bool
) -> None:
    monkeypatch.setattr("fl_core.trial.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:  # the system accepts for it, and it says nothing
        fault = try_link(f"127.0.0.1:{server.getsockname()[1]}", pem(authority) if is_tls else None)
    assert fault is not None
    assert (fault.text, fault.is_final) == ("no answer", False)


def hang_up(server: socket.socket, num_bytes_read: int) -> None:
    """Close a connection; the system resets it if something is left to read, as for one that is killed."""
    connection = server.accept()[0]
    connection.recv(1, socket.MSG_PEEK)
    connection.recv(num_bytes_read)
    connection.close()


def test_proxy_is_gone_through_as_grpc_does(
    serve: Serve, authority: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = serve(issue_server_certificate(authority, ["fl.example.org"]))
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        threading.Thread(target=tunnel_once, args=(proxy, address, asked), daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert try_link("fl.example.org:9092", pem(authority)) is None
    (line,) = asked
    assert line.startswith("CONNECT fl.example.org:9092 ")


def tunnel_once(proxy: socket.socket, address: str, asked: list[str]) -> None:
    """Be an HTTP proxy for one connection, which always leads to ``address``."""
    host, _, port = address.rpartition(":")
    inside, _ = proxy.accept()
    with inside, socket.create_connection((host, int(port))) as outside:
        asked.append(inside.recv(4096).decode().splitlines()[0])
        inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=pump, args=(outside, inside), daemon=True)
        back.start()
        pump(inside, outside)
        back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_proxy_that_would_catch_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_grpc_proxy", "intranet")
    with pytest.raises(
        ConfigError, match=r"http_proxy would send .* \(127\.0\.0\.1\).* Add .* to no_grpc_proxy"
    ):
        try_link("127.0.0.1:9092", None)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"http_proxy": "http://p:1"}, ("p", 1)),
        ({"http_proxy": "http://p:1", "grpc_proxy": "http://q:2"}, ("q", 2)),
        ({"https_proxy": "http://p:1", "no_proxy": ".example.org"}, None),
        ({"https_proxy": "http://p:1", "no_proxy": "*", "no_grpc_proxy": "other"}, ("p", 1)),
    ],
)
def test_proxy_is_chosen_by_grpcs_rules(
    variables: dict[str, str], proxy: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_proxy("fl.example.org") == proxy


@pytest.mark.parametrize("value", ["proxy:3128", "https://p:1", "http://p", "http://p:x"])
def test_proxy_that_cannot_be_used_is_named_by_its_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("grpc_proxy", value)
    with pytest.raises(
        ConfigError, match="The variable grpc_proxy does not name a proxy as http://HOST:PORT"
    ):
        find_proxy("fl.example.org")


def test_trial_is_held_to_a_tls_in_which_the_other_end_can_read_why(authority: Issued) -> None:
    alerts: list[str] = []
    issued = issue_server_certificate(make_authority(), ["127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=note_alert, args=(server, issued, alerts))
        thread.start()
        fault = try_link(f"127.0.0.1:{server.getsockname()[1]}", pem(authority))
        thread.join()
    assert fault is not None
    assert "certificate of another authority" in fault.text
    assert alerts == ["TLSV1_ALERT_UNKNOWN_CA"]


def note_alert(server: socket.socket, issued: Issued, alerts: list[str]) -> None:
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(issued.certificate_pem + issued.key_pem)
        pair.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.name)
    connection, _ = server.accept()
    try:
        context.wrap_socket(connection, server_side=True)
    except ssl.SSLError as error:
        alerts.append(error.reason)
    finally:
        connection.close()
