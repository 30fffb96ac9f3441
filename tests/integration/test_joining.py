"""Who may join: hospitals and strangers as processes, over TLS on loopback, at one coordinator."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from fl_client.check_cli import look_at_coordinator
from fl_client.cli import read_site_config
from fl_client.link import Link
from fl_client.supernode import SuperNode
from fl_core.admission import Cause
from fl_core.findings import Level
from fl_core.kit import Kit, read_kit, write_kit
from fl_core.processes import PARENT_VARIABLE, find_free_port
from fl_server.certificates import Issued, issue_server_certificate, make_authority
from fl_store.connect import open_store
from fl_store.rows import EventRow
from fl_store.run_rows import RoundRow, SiteRoundRow
from fl_store.site_access import set_site_access
from fl_store.words import RunRequest, SiteRoundState
from tests.integration.test_federation import COMMANDS, Workplace, interrupt, is_eventually

pytestmark = pytest.mark.slow

WAIT_S = 90


@dataclass
class SecurePlace(Workplace):
    """A coordinator with certificates, and hospitals that have a home each."""

    def run(self, *command: str, home: Path | None = None) -> str:
        """Run a command to its end and return what it prints."""
        process = self.start(*command, home=home)
        assert process.wait(60) == 0, self.printed(process)
        return self.printed(process)

    def home_of(self, name: str) -> Path:
        return self.folder / f"home-{name}"

    def key_folder(self, name: str, site: str | None = None) -> Path:
        return self.home_of(name) / "sites" / (site or name)

    def enrol(self, site: str) -> None:
        self.run("fl-client", "init", "--site", site, home=self.home_of(site))
        self.run("fl-server", "sites", "add", site, "--key", str(self.key_folder(site) / f"{site}.pub"))

    def join(self, kit: str, home: str, *options: str, subset: int = 0) -> subprocess.Popen[str]:
        data = ("--data-root", str(self.scans), "--subset", str(subset))
        return self.start("fl-client", "--kit", f"{kit}.kit", *data, *options, home=self.home_of(home))

    def refusals(self) -> list[str]:
        return [row.text for row in self.rows(EventRow, kind="site_refused")]

    def link_of(self, site: str) -> Link:
        authority = read_kit(self.folder / f"{site}.kit").authority
        return Link(f"127.0.0.1:{self.fleet_port}", authority, self.key_folder(site) / "key")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlace]:
    """A coordinator with certificates at which north and south are enrolled."""
    folder = tmp_path_factory.mktemp("joining")
    phantom = [
        str(COMMANDS / "luna16"),
        "phantom",
        str(folder / "scans"),
        "--sites",
        "2",
        "--scans-per-site",
        "2",
    ]
    subprocess.run(phantom, check=True, capture_output=True)
    place = SecurePlace(folder, folder / "scans")
    place.run("fl-server", "init", "--host", "127.0.0.1", "--port", str(place.fleet_port))
    for site in ("north", "south"):
        place.enrol(site)
    yield place
    for process in place.processes():
        process.kill()
    for started in place.started:
        started.wait()


@pytest.fixture(scope="module")
def run(place: SecurePlace) -> subprocess.Popen[str]:
    config = place.write_config(rounds=1000, min_sites=1, epochs=20)
    config.write_text(config.read_text().replace("insecure = true\n", ""))
    server = place.start("fl-server", "--config", str(config))
    place.wait_for_line(server, "sites join with  fl-client --kit NAME.kit")
    return server


@pytest.fixture(scope="module")
def north(place: SecurePlace, run: subprocess.Popen[str]) -> subprocess.Popen[str]:
    north = place.join("north", "north")
    place.wait_for_line(north, "round 1  evaluated")
    place.ask(RunRequest.PAUSE)  # most tests need a coordinator and a connected site, not their work
    return north


def last_line(place: SecurePlace, process: subprocess.Popen[str]) -> str:
    """Return the line that a refused client ends with."""
    assert process.wait(WAIT_S) == 2, place.printed(process)
    assert "Traceback" not in place.printed(process)
    return place.printed(process).strip().splitlines()[-1]


def has_event(place: SecurePlace, pattern: str) -> bool:
    return is_eventually(lambda: any(re.search(pattern, text) for text in place.refusals()))


def test_enrolled_site_trains(place: SecurePlace, north: subprocess.Popen[str]) -> None:
    assert is_eventually(lambda: any(row.ended_at for row in place.rows(RoundRow, round_no=1)))
    assert {row.site for row in place.rows(SiteRoundRow, round_no=1)} == {"north"}


def test_key_that_nobody_enrolled_is_refused(place: SecurePlace, north: subprocess.Popen[str]) -> None:
    place.run("fl-client", "init", "--site", "north", home=place.home_of("stranger"))
    link = replace(place.link_of("north"), key=place.key_folder("stranger", "north") / "key")
    with SuperNode.start(link, place.folder / "stranger") as stranger:
        assert is_eventually(lambda: stranger.refusal is Cause.UNKNOWN_KEY, WAIT_S)
    assert has_event(place, r"The key SHA256:\S+ was refused \(from 127\.0\.0\.1\): nobody has enrolled it\.")


def test_site_that_calls_itself_by_anothers_name_is_refused(
    place: SecurePlace, north: subprocess.Popen[str]
) -> None:
    folder = place.key_folder("liar", "north")
    folder.mkdir(parents=True)
    shutil.copy(place.key_folder("south") / "key", folder / "key")
    mismatch = "It calls itself 'north', but its key is that of 'south'."
    assert last_line(place, place.join("north", "liar")) == mismatch
    assert has_event(place, f"A node was refused: {mismatch}")


def test_key_that_is_used_twice_at_once_is_refused_to_the_second(
    place: SecurePlace, north: subprocess.Popen[str]
) -> None:
    with SuperNode.start(place.link_of("north"), place.folder / "clone") as clone:
        assert is_eventually(lambda: clone.refusal is Cause.KEY_IN_USE, WAIT_S)
    assert has_event(place, "Site 'north' was refused .*: its key is in use by another connection")
    assert north.poll() is None


@pytest.mark.parametrize(("home", "level"), [("north", Level.OK), ("stranger", Level.FAULT)])
def test_site_that_looks_in_before_the_day_learns_whether_its_key_is_enrolled(
    place: SecurePlace, north: subprocess.Popen[str], home: str, level: Level
) -> None:
    options = {"site": "north", "kit": place.folder / "north.kit", "data_root": place.scans}
    config = read_site_config(None, options)
    found = list(look_at_coordinator(config, place.key_folder(home, "north")))
    assert {finding.subject: finding.level for finding in found}["enrolment"] is level
    others = [finding for finding in found if finding.subject != "enrolment"]
    assert {finding.level for finding in others} == {Level.OK}
    assert ("versions" in {finding.subject for finding in found}) is (level is Level.OK)


def test_connection_without_an_enrolled_key_is_refused(
    place: SecurePlace, north: subprocess.Popen[str]
) -> None:
    assert cause_of_end(place, "-m", "fl_client.prompt_supernode") is Cause.NO_KEY
    assert has_event(place, "it is a passing one, as a client without a kit makes it")


AN_HOUR_BEHIND = """
import datetime, runpy
from flwr.client.grpc_rere_client import node_auth_client_interceptor as signing
now = signing.now
signing.now = lambda: now() - datetime.timedelta(hours=1)
runpy.run_module("fl_client.prompt_supernode", run_name="__main__")
"""


def test_site_whose_clock_is_an_hour_off_is_refused(place: SecurePlace, north: subprocess.Popen[str]) -> None:
    key = str(place.link_of("south").key)
    cause = cause_of_end(place, "-c", AN_HOUR_BEHIND, "--auth-supernode-private-key", key)
    assert cause is Cause.CLOCK
    assert has_event(place, r"Site 'south' was refused .*: its clock is over five minutes off\.")


def cause_of_end(place: SecurePlace, *program: str) -> Cause | None:
    """Run a SuperNode of one's own making and say why the coordinator refuses it."""
    command = [sys.executable, *program, "--isolation", "process", "--port", str(find_free_port())]
    command += ["--superlink", f"127.0.0.1:{place.fleet_port}"]
    command += ["--root-certificates", str(place.key_folder("north") / "authority.pem")]
    env = os.environ | {PARENT_VARIABLE: str(os.getpid())}
    done = subprocess.run(command, env=env, capture_output=True, timeout=WAIT_S, check=False)
    return Cause.of_exit_code(done.returncode)


def test_kit_of_another_coordinator_is_refused(place: SecurePlace, north: subprocess.Popen[str]) -> None:
    other = issue_server_certificate(make_authority(), ["127.0.0.1"])
    write_other_kit(place, "other", other, other.certificate_pem, place.fleet_port)
    line = last_line(place, place.join("other", "north"))
    assert "shows a certificate of another authority than the kit's" in line
    assert has_event(place, "broken off at the other end: it does not trust our authority")


def test_client_without_tls_is_refused(place: SecurePlace, north: subprocess.Popen[str]) -> None:
    address = f"127.0.0.1:{place.fleet_port}"
    options = ("--site", "plain", "--insecure", "--server", address, "--data-root", str(place.scans))
    line = last_line(place, place.start("fl-client", *options))
    assert line == f"{address} does not answer without TLS. Give the site's kit: --kit FILE."
    assert has_event(place, r"^A connection without TLS was refused\.$")


def write_other_kit(place: SecurePlace, name: str, server: Issued, authority: bytes, port: int) -> None:
    soon = datetime.now(UTC) + timedelta(days=100)
    certificate = server.certificate_pem.decode()
    kit = Kit("north", f"127.0.0.1:{port}", soon, authority.decode(), certificate)
    write_kit(place.folder / f"{name}.kit", kit, server.key)


def serve(issued: Issued | None) -> tuple[grpc.Server, int]:
    """Serve gRPC on loopback with this certificate, or without TLS."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    if issued is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = (issued.key_pem, issued.certificate_pem)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    return server, port


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "The certificate of .* has expired, by this machine's clock. Ask"),
        (None, "answers without TLS. Ask who runs the coordinator"),
    ],
)
def test_coordinator_with_an_expired_certificate_or_without_tls_is_not_believed(
    place: SecurePlace, days: int | None, words: str
) -> None:
    authority = make_authority()
    issued = issue_server_certificate(authority, ["127.0.0.1"], days=days or 0)
    server, port = serve(None if days is None else issued)
    write_other_kit(place, "bad", issued, authority.certificate_pem, port)
    assert re.search(words, last_line(place, place.join("bad", "north")))
    server.stop(None)


def test_revoked_site_is_cut_off_in_the_middle_of_a_round(
    place: SecurePlace, run: subprocess.Popen[str], north: subprocess.Popen[str]
) -> None:
    place.ask(RunRequest.RESUME)
    south = place.join("south", "south", subset=1)
    assert is_eventually(lambda: is_training(place, "south"), WAIT_S)
    allow(place, "south", is_allowed=False)
    assert last_line(place, south).startswith("The coordinator does not accept the key of this site (SHA256:")
    assert is_eventually(lambda: bool(place.rows(EventRow, kind="site_cut_off", site="south")))
    last = max(row.round_no for row in place.rows(SiteRoundRow, site="south"))
    assert is_eventually(lambda: is_over_without_south(place, last), WAIT_S)
    place.ask(RunRequest.PAUSE)
    with SuperNode.start(place.link_of("south"), place.folder / "revoked") as again:
        assert is_eventually(lambda: again.refusal is Cause.UNKNOWN_KEY, WAIT_S)
    assert has_event(place, r"Site 'south' was refused \(from 127\.0\.0\.1\): its key is revoked\.")
    assert (north.poll(), run.poll()) == (None, None)


def is_training(place: SecurePlace, site: str) -> bool:
    return any(row.state is SiteRoundState.TRAINING for row in place.rows(SiteRoundRow, site=site))


def is_over_without_south(place: SecurePlace, round_no: int) -> bool:
    """Say whether this round has ended with north's update alone."""
    states = {row.site: row.state for row in place.rows(SiteRoundRow, round_no=round_no)}
    (row,) = place.rows(RoundRow, round_no=round_no)
    return row.ended_at is not None and states == {
        "north": SiteRoundState.DONE,
        "south": SiteRoundState.FAILED,
    }


def allow(place: SecurePlace, site: str, *, is_allowed: bool) -> None:
    with contextlib.closing(open_store(place.home)) as store:
        set_site_access(store, site, is_allowed=is_allowed, changed_by="anna")


def test_site_is_let_in_again_and_its_new_key_takes_the_place_of_the_old(
    place: SecurePlace, run: subprocess.Popen[str], north: subprocess.Popen[str]
) -> None:
    allow(place, "south", is_allowed=True)
    assert is_eventually(lambda: stays_connected(place, "again"), WAIT_S)
    with SuperNode.start(place.link_of("south"), place.folder / "old") as old:
        assert is_eventually(lambda: is_in(place, "old"), WAIT_S)
        place.run("fl-client", "init", "--site", "south", "--replace", home=place.home_of("south"))
        public = place.key_folder("south") / "south.pub"
        place.run("fl-server", "sites", "add", "south", "--key", str(public), "--replace")
        assert is_eventually(lambda: old.refusal is Cause.CUT_OFF, WAIT_S)
    assert is_eventually(lambda: stays_connected(place, "new"), WAIT_S)
    assert interrupt(run) == 130


def stays_connected(place: SecurePlace, name: str) -> bool:
    """Say whether south gets in with the key that it has now."""
    with SuperNode.start(place.link_of("south"), place.folder / name) as node:
        is_eventually(lambda: node.refusal is not None or is_in(place, name), WAIT_S)
        return node.refusal is None


def is_in(place: SecurePlace, name: str) -> bool:
    return "SuperNode ID" in (place.folder / name / "supernode.log").read_text()
