"""What a hospital is promised, held by whole runs of which every byte and every connection is recorded."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from fl_client.key_file import make_key
from fl_client.link import Link
from fl_client.supernode import SuperNode
from fl_client.worker import Worker
from fl_core.config import SiteConfig
from fl_server.credentials import make_credentials
from fl_server.kits import KitIssuer
from fl_store.rows import EventRow
from fl_store.run_rows import RoundRow, SiteRoundRow
from fl_store.words import SiteRoundState
from tests.conftest import require
from tests.hostile_bundle import build_hostile_bundle, submit
from tests.integration.test_federation import RUN_TIMEOUT_S, Workplace, interrupt
from tests.needles import find_needles, list_model_parts, list_site_secrets
from tests.network_watch import DNS_PORT, LOOPBACK, MACHINE, STRACE, Address, read_addresses, watch
from tests.recording_relay import RecordingRelay, read_calls
from tests.replaying_site import make_replaying_app
from tests.test_superlink import addresses_listened_on

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Flower's own
]

SITE = "north-hospital"
PERSON = "doctor-somebody"


@dataclass
class RecordedPlace(Workplace):
    """A coordinator's machine, and a hospital's that belongs to PERSON."""

    @property
    def site_home(self) -> Path:
        return self.folder / "site-home"

    def watch(self, name: str) -> list[str]:
        return watch(self.folder / f"{name}.strace")

    def addresses_asked(self, name: str) -> set[Address]:
        return read_addresses(self.folder / f"{name}.strace")

    def last_model(self) -> dict[str, list[bytes]]:
        (path,) = self.home.glob("runs/*/last.safetensors")
        return list_model_parts(load_file(path))


@dataclass(frozen=True)
class Recording:
    """A whole run, and what passed between the site and its coordinator."""

    place: RecordedPlace
    relay: RecordingRelay
    listening: dict[str, set[Address]] = field(default_factory=dict)
    told_to_south: list[str] = field(default_factory=list)

    @property
    def raw(self) -> bytes:
        return b"".join(map(bytes, self.relay.sent + self.relay.received))

    @property
    def said_by_site(self) -> bytes:
        calls = b"\n".join(read_calls(bytes(stream)) for stream in self.relay.sent)
        return re.sub(rb"flwr-timestamp: \S+", b"", calls)  # has seconds that may look like a coordinate


@pytest.fixture(scope="module")
def open_run(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> Iterator[Recording]:
    """A run without TLS, in which a hostile bundle is submitted beside ours."""
    require(STRACE, why="it notes every connection (apt-get install strace)")
    place = RecordedPlace(tmp_path_factory.mktemp("open"), scans)
    with (
        ended(place),
        RecordingRelay(place.fleet_port) as relay,
        pytest.MonkeyPatch.context() as patch,
    ):
        config = str(place.write_config(min_sites=1))
        server = place.start("fl-server", "--config", config, watch=place.watch("fl-server"))
        place.wait_for_line(server, "Waiting for 1 sites")
        submit(build_hostile_bundle(), place.control_port)
        patch.setenv("LOGNAME", PERSON)
        patch.setenv("HOME", str(place.folder / PERSON))
        options = ("--site", SITE, "--insecure", "--server", f"127.0.0.1:{relay.port}")
        options += ("--data-root", str(scans))
        site = place.start("fl-client", *options, home=place.site_home, watch=place.watch("fl-client"))
        assert server.wait(RUN_TIMEOUT_S) == 0, place.printed(server)
        interrupt(site)
        yield Recording(place, relay)


@pytest.fixture(scope="module")
def secure_run(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> Iterator[Recording]:
    """A run over TLS, at a coordinator that listens to all the world; south means ill."""
    place = RecordedPlace(tmp_path_factory.mktemp("secure"), scans)
    with ended(place), RecordingRelay(place.fleet_port) as relay:
        make_credentials(place.home, ["127.0.0.1"], relay.port)
        enrol(place, SITE, place.site_home)
        enrol(place, "south", place.folder / "south-home")
        server = place.start("fl-server", "--config", str(write_secure_config(place)))
        kit = str(place.folder / f"{SITE}.kit")
        site = place.start("fl-client", "--kit", kit, "--data-root", str(scans), home=place.site_home)
        place.wait_for_line(site, "Found the coordinator")
        with replay(place, relay.port) as told:
            place.wait_for_line(site, "round 1")
            listening = {"server": addresses_listened_on(server), "site": addresses_listened_on(site)}
            assert server.wait(RUN_TIMEOUT_S) == 0, place.printed(server)
        interrupt(site)
        yield Recording(place, relay, listening, told)


@contextlib.contextmanager
def ended(place: Workplace) -> Iterator[None]:
    """End at last whatever was started there."""
    try:
        yield
    finally:
        for process in place.processes():
            process.kill()
        for started in place.started:
            started.wait()


def enrol(place: Workplace, site: str, home: Path) -> None:
    key, issuer = make_key(home / "sites" / site, site, replaces=False), KitIssuer.open(place.home)
    issuer.enrolments.add(site, key, issuer.expires_at, replaces=False)
    issuer.write(place.folder / f"{site}.kit", site)


def write_secure_config(place: Workplace) -> Path:
    config = place.write_config()
    text = config.read_text().replace("insecure = true", 'host = "0.0.0.0"')
    config.write_text(f"{text}[screening]\nmax_norm_ratio = 1e6\n")
    return config


@contextlib.contextmanager
def replay(place: Workplace, port: int) -> Iterator[list[str]]:
    """Take part as south, from this process; gives what the coordinator says to its updates."""
    folder, kit = place.folder / "south-home" / "sites" / "south", place.folder / "south.kit"
    config = SiteConfig(site="south", data_root=place.scans, kit=kit, server=f"127.0.0.1:{port}")
    told: list[str] = []
    is_over = threading.Event()
    with SuperNode.start(Link.open(config, folder), folder) as node:
        worker = Worker(make_replaying_app("south", told), explain_failure=str)
        serve = threading.Thread(
            target=worker.serve, args=(node.runtime_address, lambda: not is_over.is_set())
        )
        serve.start()
        try:
            yield told
        finally:
            is_over.set()
            serve.join()


def test_code_that_the_coordinator_sends_does_not_run_at_the_site(open_run: Recording) -> None:
    place = open_run.place
    assert (
        place.home / "hostile-code-ran"
    ).exists()  # at the coordinator, whose Flower runs what it is given
    answers = (place.home / "hostile-answers.txt").read_text().splitlines()
    assert [answer.partition("(")[0] for answer in answers] == ["The site's program failed "] * 3
    assert not list(place.site_home.rglob("*hostile*"))


def test_site_lives_on_after_a_hostile_bundle_and_trains(open_run: Recording) -> None:
    place = open_run.place
    told_at_s = (place.home / "hostile-answers.txt").stat().st_mtime
    last = place.rows(RoundRow)[-1]
    assert last.round_no == 2
    assert last.ended_at is not None
    assert last.ended_at.timestamp() > told_at_s
    assert {row.state for row in place.rows(SiteRoundRow)} == {SiteRoundState.DONE}


def test_nothing_of_scans_findings_files_or_the_machine_leaves_the_site(open_run: Recording) -> None:
    place, said = open_run.place, open_run.said_by_site
    must_be_there = {"site": [SITE.encode()], **place.last_model()}
    assert find_needles(must_be_there, said) == {*must_be_there}
    secrets = list_site_secrets(place.scans, place.site_home)
    assert all(secrets.values())
    secrets |= {"person": [PERSON.encode()], "machine": [MACHINE.encode()], "folder": [bytes(place.folder)]}
    assert find_needles(secrets, said) == set()


def test_site_sends_no_more_bytes_than_the_coordinator_counts(open_run: Recording) -> None:
    sent = sum(map(len, open_run.relay.sent))
    counted = sum(row.bytes_up for row in open_run.place.rows(SiteRoundRow))
    assert sent < counted + 200_000  # the envelopes of Flower and gRPC; a scan has millions


@pytest.mark.parametrize("command", ["fl-server", "fl-client"])
def test_nobody_outside_is_asked_for_anything_and_no_name_looked_up(
    command: str, open_run: Recording
) -> None:
    asked = open_run.place.addresses_asked(command)
    port = open_run.relay.port if command == "fl-client" else open_run.place.fleet_port
    assert port in {port for _ip, port in asked}
    assert {ip for ip, _port in asked} <= LOOPBACK
    assert DNS_PORT not in {port for _ip, port in asked}


def test_coordinator_listens_to_the_world_at_the_port_for_sites_alone(secure_run: Recording) -> None:
    listening, place = secure_run.listening["server"], secure_run.place
    assert {port for ip, port in listening if ip not in LOOPBACK} == {place.fleet_port}
    assert ("127.0.0.1", place.control_port) in listening


def test_site_listens_on_loopback_only(secure_run: Recording) -> None:
    assert {ip for ip, _port in secure_run.listening["site"]} == {"127.0.0.1"}


def test_run_over_tls_holds_nothing_in_the_clear(open_run: Recording, secure_run: Recording) -> None:
    for run, is_found in ((open_run, True), (secure_run, False)):
        model = run.place.last_model()
        assert find_needles(model, run.raw) == (set(model) if is_found else set())
    assert len(secure_run.raw) > len(open_run.raw) / 2
    assert SITE.encode() in open_run.raw
    assert SITE.encode() not in secure_run.raw


def test_update_of_another_round_or_run_is_refused_with_a_line_at_both_ends(secure_run: Recording) -> None:
    texts = [row.text for row in secure_run.place.rows(EventRow, site="south")]
    again, foreign = (text for text in texts if "it was left out" in text)
    assert re.search("Its update is of round 1 of run '.*', expected round 2 of run", again)
    assert re.search("Its update is of round 2 of run 'another-run', expected round 2 of run", foreign)
    assert [again.partition(": ")[2], foreign.partition(": ")[2]] == secure_run.told_to_south
