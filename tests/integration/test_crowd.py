"""Thirty sites join at once, leave and come back at random for twenty rounds: nothing breaks, nothing grows.

What each round took is printed; see it with ``pytest -s``.
"""

import math
import signal
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
from rich.console import Console
from rich.table import Table

from fl_store.rows import EventRow
from fl_store.run_rows import RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState
from luna16.config import DataConfig
from tests.integration import test_federation
from tests.integration.test_federation import Workplace
from tests.integration.test_promises import ended as end_all

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(5400)]

scans = test_federation.scans

SITES = tuple(f"site-{number:02}" for number in range(30))
NUM_ROUNDS = 20
NUM_LEAVERS = 3
SETTLED_AFTER_ROUND = 5
MOST_GROWTH = 0.05
SETTINGS = {
    "[server]": "lost_site_s = 15\n[server]",
    "epochs = 1": "steps = 2\nbatch_size = 8",
}
PROGRAMS = {"ServerApp": "flwr-serverapp", "SuperLink": "fl_server.guarded_superlink"}
SAMPLE_EVERY_S = 1.0
LATEST_S = 8.0
"""After so much of a round at the latest some sites go."""
AWAY_S = (1.0, 30.0)


@dataclass
class Crowd(Workplace):
    """A coordinator and its sites, which come and go; ``memory_mb`` is by program and round."""

    sites: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    back_at_s: dict[str, float] = field(default_factory=dict)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    memory_mb: dict[str, defaultdict[int, list[float]]] = field(
        default_factory=lambda: {name: defaultdict(list) for name in PROGRAMS}
    )

    def begin(self) -> subprocess.Popen[str]:
        config = self.write_config(rounds=NUM_ROUNDS, min_sites=10, wait_for_sites_s=1200)
        text = config.read_text()
        for old, new in SETTINGS.items():
            text = text.replace(old, new)
        config.write_text(text)
        server = self.start("fl-server", "--config", str(config))
        for site in SITES:
            folder = self.home / "sites" / site
            folder.mkdir(parents=True)
            settings = DataConfig(patch_size_vox=16)  # or patches would be cut twice
            (folder / "data.json").write_text(settings.model_dump_json())
            self.bring(site)
        return server

    def bring(self, site: str) -> None:
        self.sites[site] = self.start_site(site, SITES.index(site) % 2)

    def let_some_go(self) -> None:
        """End some sites, each in one of two ways."""
        there = [site for site in SITES if site not in self.back_at_s]
        for site in self.random.choice(there, NUM_LEAVERS, replace=False):
            self.sites[site].send_signal(int(self.random.choice([signal.SIGTERM, signal.SIGKILL])))
            self.back_at_s[site] = time.monotonic() + self.random.uniform(*AWAY_S)

    def bring_back(self) -> None:
        """Start those again who have been away for long enough."""
        due = [site for site, back_at_s in self.back_at_s.items() if time.monotonic() > back_at_s]
        for site in due:
            if self.sites[site].poll() is not None:
                del self.back_at_s[site]
                self.bring(site)

    def conduct(self, server: subprocess.Popen[str]) -> None:
        """Let sites go and come in each round until the run ends, and see what memory it needs."""
        round_no, go_at_s = 0, math.inf
        while server.poll() is None:
            begun = max((row.round_no for row in self.rows(RoundRow)), default=0)
            if begun > round_no:
                round_no, go_at_s = begun, time.monotonic() + self.random.uniform(0, LATEST_S)
            if time.monotonic() > go_at_s:
                go_at_s = math.inf
                self.let_some_go()
            self.bring_back()
            self.take_sample(round_no)
            time.sleep(SAMPLE_EVERY_S)

    def take_sample(self, round_no: int) -> None:
        for process in self.processes():
            for name, program in PROGRAMS.items():
                if is_running(process, program):
                    self.memory_mb[name][round_no].append(read_memory_mb(process))

    def measure_growth(self, name: str) -> float:
        """Return by what part the usual memory of the last rounds is above that of the first settled ones."""
        medians = [statistics.median(samples) for number, samples in sorted(self.memory_mb[name].items())]
        settled = medians[SETTLED_AFTER_ROUND:]
        return statistics.median(settled[-5:]) / statistics.median(settled[:5]) - 1

    def print_rounds(self) -> None:
        table = Table("round", "seconds", "sites", *(f"{name} MB" for name in PROGRAMS))
        for row in self.rows(RoundRow):
            parts = self.rows(SiteRoundRow, round_no=row.round_no)
            done = sum(part.state is SiteRoundState.DONE for part in parts)
            seconds = (row.ended_at - row.started_at).total_seconds() if row.ended_at else 0
            memory = (self.memory_mb[name][row.round_no] for name in PROGRAMS)
            shown = (
                f"{min(each):.0f} {statistics.median(each):.0f} {max(each):.0f}" for each in memory if each
            )
            table.add_row(str(row.round_no), f"{seconds:.0f}", f"{done} of {len(parts)}", *shown)
        Console(width=110).print(table)


def is_running(process: psutil.Process, program: str) -> bool:
    try:
        return any(program in part for part in process.cmdline()[:3])
    except psutil.Error:
        return False


def read_memory_mb(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().uss / 1e6
    except psutil.Error:
        return 0.0


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> Iterator[Crowd]:
    """A run that has ended."""
    place = Crowd(tmp_path_factory.mktemp("crowd"), scans)
    with end_all(place):
        place.conduct(place.begin())
        place.print_rounds()
        yield place


def test_every_round_is_held_once(crowd: Crowd) -> None:
    assert crowd.started[0].poll() == 0, crowd.printed(crowd.started[0])
    (run,) = crowd.rows(RunRow)
    assert run.state is RunState.FINISHED
    rounds = [row.round_no for row in crowd.rows(RoundRow) if row.ended_at]
    assert rounds == list(range(1, NUM_ROUNDS + 1))
    kinds = {event.kind for event in crowd.rows(EventRow)}
    assert {"site_joined", "site_lost", "site_back"} <= kinds
    assert not {"restarted", "round_repeated", "site_failed"} & kinds


def test_nobody_but_who_has_gone_fails(crowd: Crowd) -> None:
    failed = [row.reason for row in crowd.rows(SiteRoundRow) if row.state is SiteRoundState.FAILED]
    assert failed == []
    logs = [*crowd.folder.rglob("*.log")]
    assert [log.name for log in logs if "Traceback" in log.read_text(errors="replace")] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_memory_stays_flat(crowd: Crowd, program: str) -> None:
    assert crowd.measure_growth(program) < MOST_GROWTH
