"""What several tests share: a store on disk, a rehearsed run to put in it, and the browser."""

import io
import math
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from fl_core.processes import find_free_port
from fl_store import accounts
from fl_store.connect import open_store
from fl_store.metrics import CPMS_BY_DIAMETER, FEDERATION, SENSITIVITIES, Metric
from fl_store.rows import EventRow, PresenceRow, utc_now
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import PresenceKind, RunState, SiteRoundState
from tests.supabase_server import LITE, SupabaseServer, find_node, find_postgres_programs

# Many processes compute here at once: a thread that waits for another must not keep a core busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # of torch
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of NumPy, whose threads have no other way

ROOT = Path(__file__).parent.parent
CHROMIUM = Path("/usr/bin/chromium")


def require(path: Path, *, why: str) -> None:
    """Skip a test that needs ``path``; with FEDLUNA_REQUIRE_ALL=1 it fails instead."""
    if path.exists():
        return
    message = f"{path} is missing: {why}"
    if os.environ.get("FEDLUNA_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the integration tests over the first part of the run, file by file.

    pytest-xdist hands the files out in this order. Side by side they are in each other's way; at the end
    nothing runs beside them.
    """
    files = list(dict.fromkeys(item.path for item in items))
    long = [file for file in files if file.parent.name == "integration"]
    short = [file for file in files if file.parent.name != "integration"]
    places = {file: 0.7 * number / len(long) for number, file in enumerate(long)}
    places |= {file: number / len(short) for number, file in enumerate(short)}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Put back ``__main__``, which AppTest replaces and every spawned process of a later test would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session", autouse=True)
def _no_supabase_of_ours() -> Iterator[None]:
    """Keep the rows of tests out of the project that this machine may be configured for."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SUPABASE_URL", "SUPABASE_KEY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def real_hash_cost() -> Iterator[int]:
    """Let the hash of a password cost 1 ms in all tests, not 200; returns the cost of a real one."""
    cost = accounts.BCRYPT_COST
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "BCRYPT_COST", 4)
        yield cost


@pytest.fixture(scope="session")
def chromium() -> Path:
    require(CHROMIUM, why="browser tests need it (apt-get install chromium)")
    return CHROMIUM


@pytest.fixture(scope="session")
def supabase_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """A Supabase project with our tables, for the whole session; take ``supabase`` for an empty one."""
    require(
        find_postgres_programs() / "initdb", why="the Supabase tests need it (apt-get install postgresql)"
    )
    require(LITE, why="the Supabase tests need it (npm ci in tests/supabase)")
    require(find_node(), why="the Supabase tests need it (npm ci in tests/supabase)")
    with SupabaseServer.start(tmp_path_factory.mktemp("supabase")) as server:
        yield server


@pytest.fixture
def supabase(supabase_server: SupabaseServer) -> SupabaseServer:
    """The Supabase project, running and without a row."""
    prepare_supabase(supabase_server)
    return supabase_server


def prepare_supabase(server: SupabaseServer) -> None:
    """Take away what other tests have left in the project."""
    if not server.is_running:
        server.restart()
    server.empty()


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@contextmanager
def serve_monitor(home: Path, port: int, *options: str, python: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run ``fl-monitor``, or a program of ours, on the store in ``home``, away from the project's folder."""
    program = ["-c", python] if python else ["-m", "fl_monitor"]
    command = [sys.executable, *program, "--home", str(home), "--port", str(port), *options]
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=home, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until_up(process, port)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def run_monitor(tmp_path: Path) -> Callable[..., AbstractContextManager[subprocess.Popen[str]]]:
    """Start ``fl-monitor`` on the store in ``tmp_path``."""
    return partial(serve_monitor, tmp_path)


def wait_until_up(process: subprocess.Popen[str], port: int) -> None:
    """Wait until a monitor answers or has ended."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def locked_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """The store of ``tmp_path`` while another program holds the right to write."""
    monkeypatch.setattr("fl_store.sqlite.BUSY_TIMEOUT_MS", 1)
    opened = open_store(tmp_path)
    with closing(sqlite3.connect(opened.path, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        yield opened
    opened.close()


@dataclass
class Rehearsal:
    """A run that writes the rows of a federation without training anything."""

    store: SqliteStore
    sites: tuple[str, ...] = ("east", "north", "south")
    num_rounds: int = 10
    run: RunRow = field(init=False)

    def __post_init__(self) -> None:
        self.run = RunRow("run-1", "Rehearsal", RunState.RUNNING, self.num_rounds, {}, utc_now())

    def start(self, state: RunState = RunState.RUNNING) -> None:
        self.run = replace(self.run, state=state)
        self.store.put([self.run])

    def beat(self, at: datetime | None = None, *, state: str = "training") -> None:
        seen_at = at or utc_now()
        self.store.put([PresenceRow(PresenceKind.SERVER, "server", "running", seen_at)])
        self.store.put([PresenceRow(PresenceKind.SITE, site, state, seen_at) for site in self.sites])

    def begin_round(self, round_no: int, at: datetime | None = None) -> None:
        at = at or utc_now()
        training = SiteRoundState.TRAINING
        self.store.put([RoundRow("run-1", round_no, at)])
        self.store.put([SiteRoundRow("run-1", round_no, site, training, at) for site in self.sites])

    def reply(self, round_no: int, site: str, at: datetime | None = None) -> None:
        """Have a site finish its part of a round."""
        at = at or utc_now()
        train_s = 1.5 + 0.6 * self.sites.index(site)
        done = SiteRoundRow(
            "run-1",
            round_no,
            site,
            SiteRoundState.DONE,
            at,
            train_s=train_s,
            evaluate_s=0.4,
            num_examples=120,
        )
        self.store.put([done, *self.metrics(round_no, site, at)])

    def end_round(self, round_no: int, at: datetime | None = None) -> None:
        at = at or utc_now()
        begun = self.store.get(RoundRow, run_id="run-1", round_no=round_no)[0]
        self.store.put([*self.metrics(round_no, FEDERATION, at), replace(begun, ended_at=at)])
        self.store.put([EventRow("round", f"Round {round_no} is over.", run_id="run-1", occurred_at=at)])

    def play_round(self, round_no: int, at: datetime | None = None) -> None:
        """Write a whole round that took five seconds."""
        at = at or utc_now()
        self.begin_round(round_no, at)
        for site in self.sites:
            self.reply(round_no, site, at)
        self.end_round(round_no, at + timedelta(seconds=5))

    def play_into_the_third_round(self) -> None:
        """Play two rounds that are over and a third in which only east has answered."""
        self.start()
        for round_no in (1, 2):
            self.play_round(round_no)
        self.begin_round(3)
        self.reply(3, "east")

    def metrics(self, round_no: int, site: str, at: datetime) -> list[MetricRow]:
        """Return a site's numbers, which rise with the rounds and fall with its rank."""
        rank = -0.5 if site == FEDERATION else self.sites.index(site)
        skill = 1 - math.exp(-round_no / 4) - 0.04 * rank
        values = {
            Metric.AUC: 0.55 + 0.4 * skill,
            Metric.CPM: 0.2 + 0.5 * skill,
            Metric.AVERAGE_PRECISION: 0.1 + 0.5 * skill,
            Metric.CALIBRATION_ERROR: 0.2 - 0.1 * skill,
            Metric.TRAIN_LOSS: 0.7 - 0.5 * skill,
            Metric.VALIDATION_LOSS: 0.72 - 0.42 * skill,
        }
        values |= {metric: min(skill * (0.5 + i / 12), 1.0) for i, metric in enumerate(SENSITIVITIES)}
        values |= {metric: 0.1 + 0.2 * i * skill for i, metric in enumerate(CPMS_BY_DIAMETER)}
        num_examples = 360 if site == FEDERATION else 120
        return [
            MetricRow("run-1", round_no, site, metric, value, num_examples, at)
            for metric, value in values.items()
        ]


@pytest.fixture
def run_fl_server(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Give a function that runs ``fl-server`` in this process and returns its exit code."""
    from fl_server.cli import main

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fl-server", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture
def paper() -> io.StringIO:
    """Give what a console may print on."""
    return io.StringIO()


@pytest.fixture
def rehearsal(store: SqliteStore) -> Rehearsal:
    return Rehearsal(store)


@pytest.fixture
def flower_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the ids that Flower writes on every new message."""
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic scans of one site, in subset0."""
    from luna16.phantom import ScanTask, write_scan, write_tables

    root = tmp_path_factory.mktemp("scans")
    (root / "subset0").mkdir()
    write_tables(root, [write_scan(root, ScanTask(seed=0, site_no=0, scan_no=i)) for i in range(3)])
    return root
