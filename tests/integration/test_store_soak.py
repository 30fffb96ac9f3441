"""Fifty sites, three processes on one home, and a Supabase that comes and goes: nothing lost, nothing grown.

``make soak`` takes ten minutes, or FEDLUNA_SOAK_S seconds; ``make test`` has twenty seconds of the same.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pytest

from fl_core.errors import StoreUnavailableError
from fl_store.base import Store
from fl_store.carrier import Carrier
from fl_store.connect import open_local_store, open_monitor_store, open_store
from fl_store.outbox import Backlog, Outbox
from fl_store.rows import EventRow, LoginAttemptRow, SessionRow, utc_now
from fl_store.run_rows import MetricRow, RoundRow, RunRow
from fl_store.schema import TABLES
from fl_store.sqlite import FILE_NAME
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.played_run import METRICS_PER_SITE, PlayedRun, TimedStore
from tests.supabase_server import SupabaseServer

pytestmark = pytest.mark.slow

SHORT_S = 20.0
LONG_S = float(os.environ.get("FEDLUNA_SOAK_S", "600"))
NUM_SITES = 50
REST_S = 0.03
"""Before each answer of a site; a round has two of each."""
LOOK_EVERY_S = 1.0
NUM_USERS = 20
LONGEST_OUTAGE_PERIOD_S = 60.0
AWAY_SHARE = 1 / 3
MAX_GROWTH_MIB = 8.0
MAX_WAL_MIB = 16.0
RUN_ID = "soak"


@dataclass
class Figures:
    """What a process saw of itself."""

    num_puts: int
    waits_s: list[float]
    memory_mib: list[float]

    @property
    def growth_mib(self) -> float:
        """By how much the median memory of the last third of its time is above that of the first."""
        first, _, last = np.array_split(self.memory_mib, 3)
        return float(np.median(last) - np.median(first))

    def __str__(self) -> str:
        p50, p99, longest = np.quantile(self.waits_s, (0.5, 0.99, 1)) * 1000
        memory = f"{self.memory_mib[-1]:.0f} MiB at the end, {self.growth_mib:+.1f} MiB"
        return f"{self.num_puts} puts, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.0f} ms; {memory}"


def live(store: Store, until: float, turns: Callable[[Store], Iterator[None]]) -> Figures:
    """Take turns until the time has come."""
    with closing(TimedStore(store)) as timed:
        memory_mib = []
        for _turn in turns(timed):
            memory_mib.append(psutil.Process().memory_info().rss / 2**20)
            if time.time() > until:
                break
    return Figures(timed.num_puts, timed.waits_s, memory_mib)


def conduct(home: Path, until: float) -> Figures:
    """Play rounds as the ServerApp does, which leaves the carrying to others."""

    def play(store: Store) -> Iterator[None]:
        run = PlayedRun(store, RUN_ID, NUM_SITES, rest=lambda: time.sleep(REST_S))
        for round_no in count(1):
            run.play_round(round_no)
            yield

    return live(open_local_store(home), until, play)


def launch(home: Path, until: float) -> Figures:
    """Carry rows, look at the run and write an event, as the launcher does."""

    def look(store: Store) -> Iterator[None]:
        while True:
            store.get(RunRow)
            store.put([EventRow("soak", "The launcher has looked.", run_id=RUN_ID)])
            yield
            time.sleep(LOOK_EVERY_S)

    return live(open_store(home), until, look)


def monitor(home: Path, until: float) -> Figures:
    """Carry rows, read the newest round and write who is logged in, as the monitor does."""
    now = utc_now()
    sessions = [
        SessionRow(f"token {number}", f"user-{number}", now, now, now + timedelta(days=1))
        for number in range(NUM_USERS)
    ]

    def look(store: Store) -> Iterator[None]:
        for number in count():
            now = utc_now()
            store.put([replace(sessions[number % NUM_USERS], seen_at=now)])
            store.put([LoginAttemptRow("anna", "192.0.2.7", is_accepted=True, attempted_at=now)])
            with suppress(StoreUnavailableError):  # before the run begins, rows are asked of Supabase
                for row in store.get(RoundRow, newest=1):
                    store.get(MetricRow, run_id=RUN_ID, round_no=row.round_no)
            yield
            time.sleep(LOOK_EVERY_S)

    return live(open_monitor_store(home), until, look)


def disturb(server: SupabaseServer, home: Path, length_s: float) -> float:
    """Kill the server and start it again for so long; return the largest size of the WAL file, in MiB."""
    period_s = min(LONGEST_OUTAGE_PERIOD_S, length_s / 3)
    began = time.monotonic()
    wal_file, sizes_mib = home / f"{FILE_NAME}-wal", [0.0]
    while (passed_s := time.monotonic() - began) < length_s:
        is_away = passed_s % period_s > period_s * (1 - AWAY_SHARE)
        if is_away and server.is_running:
            server.kill()
        elif not is_away and not server.is_running:
            server.restart()
        if wal_file.exists():
            sizes_mib.append(wal_file.stat().st_size / 2**20)
        time.sleep(LOOK_EVERY_S)
    server.restart()
    return max(sizes_mib)


def soak(server: SupabaseServer, home: Path, length_s: float) -> None:
    """Let the three processes live, print what they saw, and check that nothing grew without bound."""
    until = time.time() + length_s
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        parts = [pool.submit(part, home, until) for part in (conduct, launch, monitor)]
        wal_mib = disturb(server, home, length_s)
        figures = [part.result() for part in parts]
    print("\n".join(map(str, figures)), f"\nWAL file at most {wal_mib:.1f} MiB")  # noqa: T201 - asked for by -s
    assert all(len(part.waits_s) == part.num_puts for part in figures)
    assert all(part.growth_mib < MAX_GROWTH_MIB for part in figures)
    assert wal_mib < MAX_WAL_MIB


@pytest.mark.parametrize(
    "length_s",
    [
        SHORT_S,
        pytest.param(LONG_S, marks=[pytest.mark.soak, pytest.mark.timeout(LONG_S + 600)]),
    ],
)
def test_after_much_coming_and_going_both_stores_hold_every_row(
    length_s: float, supabase: SupabaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    monkeypatch.setenv("SUPABASE_KEY", supabase.secret_key)
    soak(supabase, tmp_path, length_s)
    settings = SupabaseSettings(supabase.url, supabase.secret_key)
    with closing(open_local_store(tmp_path)) as here, closing(SupabaseStore(settings)) as project:
        list(Carrier(here, project).carry_all())
        assert Outbox(here).backlog() == Backlog(0, None, ())
        num_rounds = len(here.get(RoundRow))
        assert len(here.get(MetricRow)) == num_rounds * (NUM_SITES + 1) * METRICS_PER_SITE
        for row_type in TABLES:
            assert project.get(row_type) == here.get(row_type)
