"""Supabase is away for half of a run and loses answers all the time; every row arrives, once."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

import pytest

from fl_store.mirrored import MirroredStore
from fl_store.outbox import Outbox
from fl_store.rows import PresenceRow, utc_now
from fl_store.run_rows import MetricRow, RunRow
from fl_store.schema import TABLES
from fl_store.sqlite import SqliteStore
from fl_store.supabase import TIMEOUT, SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from fl_store.words import RunState
from tests.lossy_proxy import LossyProxy
from tests.played_run import METRICS_PER_SITE, PlayedRun, TimedStore
from tests.supabase_server import SupabaseServer

pytestmark = pytest.mark.slow

NUM_SITES = 4
NUM_ROUNDS = 60
AWAY_FROM_ROUND, BACK_IN_ROUND = 15, 45
ROUND_S = 0.25
LOST_SHARE = 0.3
DRAINED_WITHIN_S = 60.0
POISON = RunRow("poison", "Too long", RunState.RUNNING, 2**31, {}, utc_now())
"""Its number of rounds fits SQLite's integer, which has 8 bytes, but not Postgres', which has 4."""


@dataclass
class Outage:
    """A run through an outage, and what was seen of it; ``project`` asks the server itself, without loss."""

    server: SupabaseServer
    proxy: LossyProxy
    here: SqliteStore
    project: SupabaseStore
    coordinator: TimedStore
    drained_in_s: float = 0.0
    seen_at: list[dict[str, datetime]] = field(default_factory=list)

    def play(self) -> None:
        """Play all rounds, half of them without the server, and wait until nothing waits any more."""
        run = PlayedRun(self.coordinator, "run-1", NUM_SITES)
        back_at = 0.0
        for round_no in range(NUM_ROUNDS):
            if round_no == AWAY_FROM_ROUND:
                self.server.kill()
                self.coordinator.put([POISON])
            if round_no == BACK_IN_ROUND:
                self.server.restart()
                back_at = time.monotonic()
            run.play_round(round_no)
            self.look_who_is_there()
            time.sleep(ROUND_S)
        run.end()
        while Outbox(self.here).backlog().num_waiting and time.monotonic() < back_at + 60:
            self.look_who_is_there()
            time.sleep(0.1)
        self.drained_in_s = time.monotonic() - back_at

    def look_who_is_there(self) -> None:
        if self.server.is_running:
            self.seen_at.append({row.name: row.last_seen_at for row in self.project.get(PresenceRow)})


@pytest.fixture(scope="module")
def outage(supabase_server: SupabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    supabase_server.empty()
    path = tmp_path_factory.mktemp("outage") / "fedluna.db"
    with ExitStack() as stack:
        proxy = stack.enter_context(LossyProxy(supabase_server.url, lost_share=LOST_SHARE, seed=1))
        remote = SupabaseStore(SupabaseSettings(proxy.url, supabase_server.secret_key))
        coordinator = TimedStore(stack.enter_context(closing(MirroredStore(SqliteStore(path), remote))))
        here = stack.enter_context(closing(SqliteStore(path)))
        settings = SupabaseSettings(supabase_server.url, supabase_server.secret_key)
        project = stack.enter_context(closing(SupabaseStore(settings)))
        played = Outage(supabase_server, proxy, here, project, coordinator)
        played.play()
        yield played


def test_no_put_waited_for_supabase(outage: Outage) -> None:
    assert len(outage.coordinator.waits_s) == outage.coordinator.num_puts
    assert max(outage.coordinator.waits_s) < (TIMEOUT.connect or 0)


def test_every_row_is_in_supabase_as_it_is_here(outage: Outage) -> None:
    assert len(outage.here.get(MetricRow)) == NUM_ROUNDS * (NUM_SITES + 1) * METRICS_PER_SITE
    for row_type in TABLES:
        assert outage.project.get(row_type) == [row for row in outage.here.get(row_type) if row != POISON]


def test_no_row_is_in_supabase_twice(outage: Outage) -> None:
    for row_type, table in TABLES.items():
        num_there = int(outage.server.psql(f"select count(*) from {table.name}"))  # noqa: S608 - our name
        assert num_there == len([row for row in outage.here.get(row_type) if row != POISON])


def test_answers_were_lost(outage: Outage) -> None:
    assert outage.proxy.num_lost > 10


def test_only_the_poison_row_is_parked_with_its_reason(outage: Outage) -> None:
    (refusal,) = Outbox(outage.here).backlog().refusals
    assert (refusal.table, refusal.num_rows) == ("runs", 1)
    assert "22003" in refusal.reason
    assert "out of range for type integer" in refusal.reason


def test_backlog_is_carried_soon_after_the_return(outage: Outage) -> None:
    assert outage.drained_in_s < DRAINED_WITHIN_S


def test_presence_never_moved_back(outage: Outage) -> None:
    assert len(outage.seen_at) > NUM_ROUNDS // 3
    for before, after in pairwise(outage.seen_at):
        assert all(after[name] >= seen_at for name, seen_at in before.items())
