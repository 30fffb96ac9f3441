"""The real thing: coordinator, hospitals and monitor as processes, started by their public commands."""

import contextlib
import getpass
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from fl_core.processes import find_free_port
from fl_store.base import RowT
from fl_store.connect import open_store
from fl_store.metrics import FEDERATION, NOT_OF_EVERY_ROUND, Metric
from fl_store.rows import DataCardRow, EventRow, PresenceRow, SiteRow, utc_now
from fl_store.run_rows import (
    CheckpointRow,
    MetricRow,
    RoundRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.words import RunRequest, RunState, SiteRoundState
from luna16.config import ModelConfig, read_course
from luna16.course import Origin, take_course
from luna16.data_card import make_data_card
from luna16.dataset import load_shard
from luna16.model import build_model

pytestmark = pytest.mark.slow

Weights = dict[str, torch.Tensor]

COMMANDS = Path(sys.executable).parent
RUN_TIMEOUT_S = 240
START_TIMEOUT_S = 90


@dataclass
class Workplace:
    """A coordinator's machine with hospitals beside it; every process started here is ended here."""

    folder: Path
    scans: Path
    fleet_port: int = field(default_factory=find_free_port)
    control_port: int = field(default_factory=find_free_port)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def write_config(
        self,
        *,
        rounds: int = 2,
        min_sites: int = 2,
        wait_for_sites_s: float = 120,
        repeats: int = 5,
        epochs: int = 1,
        strategy: str = 'name = "fedavg"',
    ) -> Path:
        path = self.folder / "run.toml"
        path.write_text(
            f"[federation]\nrounds = {rounds}\nmin_sites = {min_sites}\n"
            f"wait_for_sites_s = {wait_for_sites_s}\nrepeats = {repeats}\n"
            f"[server]\nfleet_port = {self.fleet_port}\ncontrol_port = {self.control_port}\ninsecure = true\n"
            f"[data]\npatch_size_vox = 16\n[training]\nepochs = {epochs}\n[strategy]\n{strategy}\n"
        )
        return path

    def start(
        self, *command: str, home: Path | None = None, typed: str | None = None, watch: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Start a command; ``watch`` is one that starts it in its turn, and may look at what it does."""
        environment = os.environ | {"FEDLUNA_HOME": str(home or self.home), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{command[0]}-{len(self.started)}.log").open("w") as log:
            process = subprocess.Popen(
                [*watch, str(COMMANDS / command[0]), *command[1:]],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
                text=True,
                cwd=self.folder,
            )
        if process.stdin:
            process.stdin.write(f"{typed}\n")
            process.stdin.close()
        self.started.append(process)
        return process

    def start_server(self, **settings: Any) -> subprocess.Popen[str]:
        return self.start("fl-server", "--config", str(self.write_config(**settings)))

    def start_site(
        self, name: str, subset: int, *, home: Path | None = None, scans: Path | None = None
    ) -> subprocess.Popen[str]:
        address = f"127.0.0.1:{self.fleet_port}"
        options = ("--site", name, "--insecure", "--subset", str(subset), "--server", address)
        return self.start("fl-client", *options, "--data-root", str(scans or self.scans), home=home)

    def printed(self, process: subprocess.Popen[str]) -> str:
        number = self.started.index(process)
        (log,) = self.folder.glob(f"*-{number}.log")
        return log.read_text()

    def wait_for_line(self, process: subprocess.Popen[str], words: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while words not in self.printed(process):
            assert time.monotonic() < deadline, f"never said {words!r}: {self.printed(process)}"
            assert process.poll() is None, f"ended: {self.printed(process)}"
            time.sleep(0.1)

    def rows(self, row_type: type[RowT], **where: Any) -> list[RowT]:
        with contextlib.closing(open_store(self.home)) as store:
            return store.get(row_type, **where)

    def ask(self, request: RunRequest) -> None:
        """Ask for something in the newest run, as the monitor does."""
        run = self.rows(RunRow)[-1]
        with contextlib.closing(open_store(self.home)) as store:
            store.put([RunRequestRow(run.run_id, request, "anna", utc_now())])

    def processes(self) -> list[psutil.Process]:
        """Every living process that works for this folder, whoever started it."""
        return [process for process in psutil.process_iter() if str(self.folder) in _home_of(process)]


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("FEDLUNA_HOME", "")
    except psutil.Error:
        return ""


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("luna16") / "phantom"
    command = [str(COMMANDS / "luna16"), "phantom", str(folder), "--sites", "2", "--scans-per-site", "3"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def workplace(tmp_path: Path, scans: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path, scans)
    yield place
    for process in place.processes():
        process.kill()
    for started in place.started:
        started.wait()


def interrupt(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C and return the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(20)


def is_eventually(fact: Callable[[], bool], timeout_s: float = 15) -> bool:
    deadline = time.monotonic() + timeout_s
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_two_sites_train_for_two_rounds(workplace: Workplace, scans: Path) -> None:
    let_share_log(workplace, "north")
    server = workplace.start_server()
    sites = [workplace.start_site("north", 0), workplace.start_site("south", 1)]

    assert server.wait(RUN_TIMEOUT_S) == 0, workplace.printed(server)

    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.FINISHED
    assert [row.round_no for row in workplace.rows(RoundRow) if row.ended_at] == [1, 2]
    parts = workplace.rows(SiteRoundRow)
    assert {(part.round_no, part.site) for part in parts} == {
        (1, "north"),
        (1, "south"),
        (2, "north"),
        (2, "south"),
    }
    assert all(part.state is SiteRoundState.DONE and part.bytes_up > 3_500_000 for part in parts)
    assert all(part.train_began_at and part.evaluate_began_at for part in parts)
    assert all(part.update_norm and -1 <= (part.update_cosine or 0) <= 1 for part in parts)
    assert {row.site: row.num_validation_scans for row in workplace.rows(SiteRow)} == {"north": 1, "south": 1}
    cards = {row.site: row.card for row in workplace.rows(DataCardRow)}
    assert cards == dict.fromkeys(("north", "south"), make_data_card([]).to_json())  # three scans are too few
    check_numbers_add_up(workplace.rows(MetricRow, round_no=2))
    check_run_folder(workplace.home / "runs" / run.run_id, workplace.rows(CheckpointRow))
    check_model_is_the_simulated_one(workplace, workplace.home / "runs" / run.run_id)
    assert not find_series_uids(workplace, scans)
    check_bundle(workplace, run.run_id, scans)
    assert [interrupt(site) for site in sites] == [130, 130]
    assert is_eventually(lambda: not workplace.processes()), workplace.processes()


def test_second_coordinator_on_one_home_and_second_site_of_one_name_are_refused(workplace: Workplace) -> None:
    server = workplace.start_server()
    north = workplace.start_site("north", 0)
    assert is_eventually(lambda: bool(workplace.rows(RunRow)), START_TIMEOUT_S)
    second = workplace.start("fl-server", "--config", str(workplace.write_config()))
    assert second.wait(START_TIMEOUT_S) == 2
    assert "Another fl-server conducts a run with the folder" in workplace.printed(second)
    assert len(workplace.printed(second).splitlines()) == 1
    assert is_eventually(lambda: bool(workplace.rows(SiteRow)), START_TIMEOUT_S)
    namesake = workplace.start_site("north", 1, home=workplace.folder / "elsewhere")
    assert namesake.wait(60) == 2
    assert "A connected site has the name 'north' already." in workplace.printed(namesake)
    assert workplace.rows(EventRow, kind="site_refused")
    assert north.poll() is None
    assert interrupt(server) == 130


def check_numbers_add_up(rows: list[MetricRow]) -> None:
    """The federation's counts are those of the sites together, and its scores are probabilities."""
    value = {(row.site, row.metric): row for row in rows}
    for metric in set(Metric) - set(NOT_OF_EVERY_ROUND):
        federation = value[FEDERATION, metric]
        sites = [value[site, metric] for site in ("north", "south")]
        assert federation.num_examples == sum(row.num_examples or 0 for row in sites)
        assert federation.value is not None or federation.num_examples == 0  # no nodule so large
    train_losses = [value[site, Metric.TRAIN_LOSS] for site in ("north", "south")]
    mean = sum(row.value * row.num_examples for row in train_losses if row.value and row.num_examples)
    num_examples = value[FEDERATION, Metric.TRAIN_LOSS].num_examples
    assert value[FEDERATION, Metric.TRAIN_LOSS].value == pytest.approx(mean / (num_examples or 0))
    assert 0 <= (value[FEDERATION, Metric.AUC].value or -1) <= 1


def check_run_folder(folder: Path, checkpoints: list[CheckpointRow]) -> None:
    assert {row.kind for row in checkpoints} == {"last", "best"}
    for row in checkpoints:
        content = (folder / row.file_name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.sha256
    history = json.loads((folder / "history.json").read_text())
    assert [part["round_no"] for part in history["rounds"]] == [1, 2]
    assert set(history["rounds"][0]["sites"]) == {"north", "south"}
    assert "Plotly" in (folder / "report.html").read_text()
    check_logs(folder)
    assert not list(folder.glob("*.partial"))


def let_share_log(workplace: Workplace, site: str) -> None:
    """Write the file in which a site agrees to tell its log."""
    path = workplace.folder / "configs" / "sites" / f"{site}.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'site = "{site}"\n[consent]\nshare_log = true\n')


def check_logs(folder: Path) -> None:
    """Each program's lines name the same run and round: of the hospitals too, and of north here."""
    files = [*folder.glob("*server.jsonl"), *folder.parent.parent.glob("sites/*/fl-client.jsonl")]
    files += folder.glob("sites/*.jsonl")
    assert [file.stem for file in files[-1:]] == ["north"]
    assert len(files) == 5
    for file in files:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert {line["run"] for line in lines if "round" in line} == {folder.name}, file
        assert {line.get("round") for line in lines} == {None, 1, 2}, file


def check_bundle(workplace: Workplace, run_id: str, scans: Path) -> None:
    """The post-mortem has the logs of all, without what is planted in them here."""
    uid = (scans / "seriesuids.csv").read_text().split()[0]
    planted = f"{scans}/subset0/{uid}.mhd of {uid}, password=open-sesame, $2b$12${'a' * 53}"
    for name in ("server.jsonl", "superlink.log", "sites/north.jsonl"):
        with (workplace.home / "runs" / run_id / name).open("a") as log:
            log.write(json.dumps({"text": planted}) + "\n")
    made = workplace.start("fl-server", "report", run_id, "--bundle", "--out", "run.zip")
    assert made.wait(START_TIMEOUT_S) == 0, workplace.printed(made)
    with zipfile.ZipFile(workplace.folder / "run.zip") as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert json.loads(files["MANIFEST.json"])["missing"] == [
        {"name": "sites/south.jsonl", "reason": "No such file or directory"}
    ]
    needles = (uid[:20], ".mhd", "open-sesame", "$2b$", str(scans), str(workplace.folder))
    assert not [(name, each) for name, text in files.items() for each in needles if each in text]
    assert '"text": "<scan> of <uid>, password=<secret>, <secret>"' in files["sites/north.jsonl"]


def check_model_is_the_simulated_one(workplace: Workplace, folder: Path) -> None:
    """What ``luna16 compare`` calls federated is what a federation makes of the same scans and settings."""
    trained, simulated, first = load_file(folder / "last.safetensors"), *simulate(workplace)
    for name, tensor in first.items():
        assert not torch.equal(trained[name], tensor), name
        torch.testing.assert_close(trained[name], simulated[name], rtol=1e-3, atol=1e-5)


def simulate(workplace: Workplace) -> tuple[Weights, Weights]:
    """Train in this process what north and south train together, and return it with what it begins with."""
    config = read_course(workplace.folder / "run.toml")
    caches = {name: workplace.home / "sites" / name / "patches" for name in ("north", "south")}
    members = [
        load_shard(workplace.scans, cache, config.data, subsets=[subset]).train
        for subset, cache in enumerate(caches.values())
    ]
    path = workplace.folder / "simulated.safetensors"
    take_course(members, config, path, origin=Origin(""), device=torch.device("cpu"))
    return load_file(path), build_model(config.model).state_dict()


def find_series_uids(workplace: Workplace, scans: Path) -> list[str]:
    """Name the texts of coordinator and sites that hold a scan's UID, but for a hospital's own patches."""
    uids = (scans / "seriesuids.csv").read_text().split()
    texts = [*workplace.folder.glob("*.log"), *workplace.home.rglob("*.log")]
    texts += [
        *workplace.home.rglob("*.jsonl"),
        *workplace.home.rglob("*.json"),
        *workplace.home.rglob("*.html"),
        workplace.home / "fedluna.db",
    ]
    told = [text for text in texts if "patches" not in text.parts]
    return [text.name for text in told if any(uid.encode() in text.read_bytes() for uid in uids)]


@pytest.mark.browser
@pytest.mark.soak
def test_the_monitor_shows_the_charts_of_a_real_run(workplace: Workplace, browser: Any) -> None:
    server = workplace.start_server()
    workplace.start_site("north", 0)
    workplace.start_site("south", 1)
    add_login = ("users", "add", "coordinator", "--role", "server", "--password-stdin")
    assert workplace.start("fl-server", *add_login, typed="correct horse battery").wait(60) == 0
    port = find_free_port()
    workplace.start("fl-monitor", "--port", str(port))
    page = browser.new_page()
    assert is_eventually(lambda: is_up(page, f"http://127.0.0.1:{port}"), 60)

    page.get_by_label("User", exact=True).fill("coordinator")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.locator(".js-plotly-plot").nth(3).wait_for(timeout=RUN_TIMEOUT_S * 1000)
    assert server.wait(RUN_TIMEOUT_S) == 0, workplace.printed(server)

    page.get_by_text(re.compile("finished", re.IGNORECASE)).first.wait_for(timeout=15_000)
    rounds = "() => Math.max(...document.querySelector('.js-plotly-plot').data.flatMap(line => line.x))"
    assert is_eventually(lambda: page.evaluate(rounds) == 2)
    names = "() => document.querySelector('.js-plotly-plot').data.map(line => line.name).join()"
    assert {"north", "south"} <= set(page.evaluate(names).split(","))


def is_up(page: Any, url: str) -> bool:
    from playwright.sync_api import Error

    try:
        page.goto(url)
    except Error:
        return False
    return True


def test_ctrl_c_stops_the_coordinator_and_all_it_started(workplace: Workplace) -> None:
    server = workplace.start_server()
    workplace.wait_for_line(server, "Waiting for 2 sites")

    assert interrupt(server) == 130

    assert is_eventually(lambda: not workplace.processes()), workplace.processes()
    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.STOPPED
    assert "Traceback" not in workplace.printed(server)


def test_ctrl_c_in_the_middle_of_a_round_leaves_no_process(workplace: Workplace) -> None:
    server = workplace.start_server(rounds=100, min_sites=1)
    site = workplace.start_site("north", 0)
    workplace.wait_for_line(site, "round 1")
    kept = read_kept(workplace)
    site.kill()  # in the middle of an epoch, or of what comes between two
    site.wait()
    site = workplace.start_site("north", 0)
    workplace.wait_for_line(site, "  trained on")
    assert read_kept(workplace) == kept

    assert interrupt(server) == 130
    site.send_signal(signal.SIGHUP)  # its terminal is closed
    assert site.wait(20) == 130

    assert is_eventually(lambda: not workplace.processes()), workplace.processes()
    assert not list(workplace.home.rglob("*.partial"))
    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.STOPPED
    assert {part.site for part in workplace.rows(SiteRoundRow)} == {"north"}


def read_kept(workplace: Workplace) -> tuple[str, str, float]:
    """Return who a site is, how its patches are cut, and when they were."""
    folder = workplace.home / "sites" / "north"
    (index,) = folder.glob("patches/patches-*/index.json")
    return (folder / "instance").read_text(), (folder / "data.json").read_text(), index.stat().st_mtime


def test_a_run_is_paused_resumed_and_stopped_from_another_terminal(workplace: Workplace) -> None:
    server = workplace.start_server(rounds=100, min_sites=1, epochs=20)
    site = workplace.start_site("north", 0)
    workplace.wait_for_line(site, "round 1")

    ask(workplace, "pause")
    assert is_eventually(lambda: run_state(workplace) is RunState.PAUSED, 60)
    paused = workplace.rows(SiteRoundRow)
    assert {part.state for part in paused} == {SiteRoundState.DONE}
    paused_at = utc_now()
    assert is_eventually(lambda: are_all_seen_since(workplace, paused_at))
    assert workplace.rows(SiteRoundRow) == paused

    ask(workplace, "resume")
    assert is_eventually(lambda: len(workplace.rows(SiteRoundRow)) > len(paused), 60)
    assert run_state(workplace) is RunState.RUNNING

    ask(workplace, "stop")  # in the middle of the training of a round
    assert server.wait(60) == 0, workplace.printed(server)
    assert site.poll() is None
    check_stopped(workplace, server, num_whole_rounds=len(paused))


def ask(workplace: Workplace, what: str) -> None:
    assert workplace.start("fl-server", "runs", what, "last").wait(60) == 0


def run_state(workplace: Workplace) -> RunState:
    (run,) = workplace.rows(RunRow)
    return run.state


def are_all_seen_since(workplace: Workplace, time: datetime) -> bool:
    seen = {row.name: row.last_seen_at for row in workplace.rows(PresenceRow)}
    return seen.keys() == {"server", "north"} and min(seen.values()) > time


def check_stopped(workplace: Workplace, server: subprocess.Popen[str], *, num_whole_rounds: int) -> None:
    """The open round is cut off, and what the last whole round left is there."""
    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.STOPPED
    assert run.reason == f"Stopped by {getpass.getuser()} at the terminal."
    assert f"Run {run.run_id} has ended before its last round: {run.reason}" in workplace.printed(server)
    whole = [row.round_no for row in workplace.rows(RoundRow) if row.ended_at]
    assert len(whole) >= num_whole_rounds
    assert all(part.state.is_over for part in workplace.rows(SiteRoundRow))
    assert workplace.rows(SiteRoundRow)[-1].state is SiteRoundState.STOPPED
    (last,) = workplace.rows(CheckpointRow, kind="last")
    assert last.round_no == whole[-1]
    folder = workplace.home / "runs" / run.run_id
    assert all((folder / name).is_file() for name in ("last.safetensors", "history.json", "report.html"))


def test_a_site_joins_the_next_run_by_itself(workplace: Workplace) -> None:
    site = workplace.start_site("north", 0)
    workplace.wait_for_line(site, "No coordinator at")
    adam = 'name = "fedadam"\neta = 0.02\npersonal_layers = ["*bn*"]'
    for rounds, strategy in ((1, 'name = "fedavg"'), (2, adam)):
        server = workplace.start_server(rounds=rounds, min_sites=1, strategy=strategy)
        assert server.wait(RUN_TIMEOUT_S) == 0, workplace.printed(server)
    workplace.wait_for_line(site, "The link to the coordinator has ended")

    runs = sorted(workplace.rows(RunRow), key=lambda run: run.started_at)
    assert [run.state for run in runs] == [RunState.FINISHED, RunState.FINISHED]
    assert [part.site for part in workplace.rows(SiteRoundRow)] == ["north"] * 3
    assert [run.config["strategy"]["name"] for run in runs] == ["fedavg", "fedadam"]
    check_layers_stayed_at_the_site(workplace, runs[1].run_id)


def check_layers_stayed_at_the_site(workplace: Workplace, run_id: str) -> None:
    """See that the coordinator's norm layers are the first ones still, and the site's are its own."""
    model = load_file(workplace.home / "runs" / run_id / "last.safetensors")
    own = load_file(workplace.home / "sites" / "north" / "personal.safetensors")
    start = build_model(ModelConfig()).state_dict()
    assert own.keys() == {name for name in start if "bn" in name}
    for name, tensor in model.items():
        assert torch.equal(tensor, start[name]) == (name in own), name
        assert tensor.dtype == torch.float32
        assert name not in own or not torch.equal(own[name], start[name])


def test_a_site_declines_what_is_beyond_its_consent(workplace: Workplace) -> None:
    sites = workplace.folder / "configs" / "sites"
    sites.mkdir(parents=True)
    (sites / "north.toml").write_text("[consent]\nmax_rounds_per_day = 1\nshare_data_card = false\n")
    site = workplace.start_site("north", 0)
    server = workplace.start_server(rounds=2, min_sites=1, repeats=1)

    assert server.wait(RUN_TIMEOUT_S) == 1, workplace.printed(server)

    reason = "Its consent is for 1 round in 24 hours at most"
    workplace.wait_for_line(site, f"A task of the coordinator was declined. {reason}")
    texts = [event.text for event in workplace.rows(EventRow, kind="site_declined")]
    assert len(texts) == 2  # the round was held again once
    assert all(text.startswith(f"Site 'north' declined its part of round 2: {reason}") for text in texts)
    assert [row.card["num_scans"] for row in workplace.rows(DataCardRow)] == [None]
    verified = workplace.start("fl-server", "audit", "verify")
    assert verified.wait(60) == 0, workplace.printed(verified)
    assert f"{len(workplace.rows(EventRow))} entries, each as it was written." in workplace.printed(verified)
