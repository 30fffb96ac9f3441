import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_client.key_file import make_key
from fl_client.link import Link
from fl_client.supernode import SuperNode
from fl_core.admission import Cause
from fl_core.config import ServerConfig
from fl_core.errors import AddressInUseError, RunFailedError
from fl_core.keys import format_pem
from fl_core.processes import find_free_port
from fl_core.trial import try_link
from fl_server import superlink
from fl_server.bundle import build_bundle
from fl_server.credentials import AUTHORITY, make_credentials
from fl_server.superlink import SuperLink

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's own


@pytest.fixture
def config() -> ServerConfig:
    return ServerConfig(fleet_port=find_free_port(), control_port=find_free_port(), insecure=True)


@pytest.fixture
def link(config: ServerConfig, tmp_path: Path) -> Iterator[SuperLink]:
    with SuperLink.start(config, tmp_path, {"FEDLUNA_HOME": str(tmp_path)}) as started:
        yield started


def wait_until_finished(link: SuperLink) -> None:
    give_up_at = time.monotonic() + 60
    while not link.is_run_finished():
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def addresses_listened_on(process: subprocess.Popen[bytes]) -> set[tuple[str, int]]:
    """Return IP and port; gRPC tells an IPv4 address in the form of IPv6."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return {
        (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
        for member in family
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.parametrize("setting", ["fleet_port", "control_port"])
def test_port_in_use_names_the_setting_and_starts_nothing(
    setting: str, config: ServerConfig, tmp_path: Path
) -> None:
    holder = socket.create_server(("127.0.0.1", getattr(config, setting)))
    with holder, pytest.raises(AddressInUseError, match=rf"change {setting} in \[server\]"):
        SuperLink.start(config, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_superlink_that_ends_at_once_is_told_with_its_log(
    config: ServerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "raise SystemExit('no')"]
    monkeypatch.setattr(superlink, "_command", lambda _config, **_: failing)
    with pytest.raises(RunFailedError, match=r"did not come up; .*superlink\.log says why"):
        SuperLink.start(config, tmp_path, {})
    assert (tmp_path / "superlink.log").read_text() == "no\n"


@pytest.mark.slow
def test_superlink_listens_on_loopback_only_and_ends_with_all_it_started(
    config: ServerConfig, tmp_path: Path
) -> None:
    (tmp_path / "superlink.log").write_text("told by an earlier start\n")
    with SuperLink.start(config, tmp_path, {}) as link:
        assert "told by an earlier start" not in link.read_new_log_lines()
        family = psutil.Process(link.process.pid).children(recursive=True)
        listening = addresses_listened_on(link.process)
        assert {("127.0.0.1", config.fleet_port), ("127.0.0.1", config.control_port)} <= listening
        assert {ip for ip, _port in listening} == {"127.0.0.1"}
    assert link.process.returncode is not None
    _gone, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


@pytest.mark.slow
def test_run_whose_server_app_fails_is_finished(link: SuperLink) -> None:
    link.submit(build_bundle())  # without FEDLUNA_RUN_ID the ServerApp fails at once
    assert not link.is_run_finished()
    wait_until_finished(link)


@pytest.mark.slow
def test_superlink_that_dies_is_told_with_its_exit_code(link: SuperLink) -> None:
    link.submit(build_bundle())
    link.process.kill()
    with pytest.raises(RunFailedError, match=r"ended unasked \(exit code -9\)"):
        wait_until_finished(link)


@pytest.mark.slow
def test_key_is_registered_again_after_it_was_unregistered_also_if_it_never_came(
    config: ServerConfig, tmp_path: Path
) -> None:
    credentials = make_credentials(tmp_path, ["fl.example.org"], config.fleet_port)
    pem = format_pem(ec.generate_private_key(ec.SECP384R1()).public_key())
    with SuperLink.start(config, tmp_path, {}, credentials) as link:
        first = link.register("north", pem)
        link.unregister(first)
        link.unregister(first)  # it is gone already, and that is well
        assert link.register("north", pem) != first
        assert try_link(f"127.0.0.1:{config.fleet_port}", None) is not None
        assert any("UnregisterNode" in line for line in link.read_new_log_lines())
        assert not any("UnregisterNode" in line for line in link.read_new_log_lines())


@pytest.mark.slow
def test_site_that_comes_before_the_keys_are_known_is_not_refused(
    config: ServerConfig, tmp_path: Path
) -> None:
    credentials = make_credentials(tmp_path, ["127.0.0.1"], config.fleet_port)
    site = tmp_path / "site"
    make_key(site, "north", replaces=False)
    authority = (credentials.folder / AUTHORITY).read_text()
    with SuperLink.start(config, tmp_path, {}, credentials) as link:
        way = Link(f"127.0.0.1:{config.fleet_port}", authority, site / "key")
        assert end_of_link(way, site) is None
        link.register("south", format_pem(ec.generate_private_key(ec.SECP384R1()).public_key()))
        assert end_of_link(way, site) is Cause.UNKNOWN_KEY


def end_of_link(link: Link, folder: Path) -> Cause | None:
    """Connect, wait until the link ends, and return why the coordinator has ended it."""
    with SuperNode.start(link, folder) as node:
        node.process.wait(60)
        return node.refusal
