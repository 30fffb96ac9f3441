"""A coordinator that is killed at any moment: what it had acknowledged is in both stores, once."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from fl_store.connect import open_local_store, open_store
from fl_store.outbox import Outbox
from fl_store.rows import EventRow, PresenceRow, Row, utc_now
from fl_store.run_rows import MetricRow
from fl_store.schema import TABLES
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.lossy_proxy import LossyProxy
from tests.store_contract import EVENT, METRIC, PRESENCE
from tests.supabase_server import SupabaseServer
from tests.test_carrier import wait_until

pytestmark = pytest.mark.slow

NUM_LIVES = 5
LONGEST_LIFE_S = 2.0
SEED = 20261122
NUM_PUTS_BEFORE = 150
SPAWN = multiprocessing.get_context("spawn")


class HoldingProxy(LossyProxy):
    """Holds one answer back: the server has done what was asked, and the client does not know it yet."""

    def __init__(self, target_url: str, *, held_answer: int) -> None:
        super().__init__(target_url)
        self.is_held = threading.Event()
        self.may_go = threading.Event()
        self._num_to_go = held_answer

    def loses_this_answer(self) -> bool:
        self._num_to_go -= 1
        if is_held := self._num_to_go == 0:
            self.is_held.set()
            self.may_go.wait()
        return is_held


@pytest.fixture
def home(tmp_path: Path, supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a coordinator whose Supabase is there."""
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    monkeypatch.setenv("SUPABASE_KEY", supabase.secret_key)
    return tmp_path


@pytest.fixture
def project(supabase: SupabaseServer) -> Iterator[SupabaseStore]:
    with closing(SupabaseStore(SupabaseSettings(supabase.url, supabase.secret_key))) as opened:
        yield opened


def rows_of(run_id: str, number: int) -> list[Row]:
    """Return a metric and an event of their own, and who is there, which every put writes anew."""
    return [
        replace(METRIC, run_id=run_id, round_no=number),
        replace(EVENT, run_id=run_id, event_id=f"{run_id} {number}"),
        replace(PRESENCE, last_seen_at=utc_now()),
    ]


def write_for_ever(home: Path, run_id: str, acknowledged: Connection) -> None:
    """Put rows as fast as it goes, and send the number of each put that has returned."""
    store = open_store(home)
    for number in count():
        store.put(rows_of(run_id, number))
        acknowledged.send(number)


def carry_for_ever(home: Path) -> None:
    """Carry what waits, as a coordinator between two rounds."""
    open_store(home)
    threading.Event().wait()


@contextmanager
def killed_at_the_end(target: Callable[..., None], *arguments: object) -> Iterator[BaseProcess]:
    """Run a process of ours until kill -9."""
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def live(home: Path, run_id: str, life_s: float) -> int:
    """Return how many puts a process acknowledged that was killed ``life_s`` after the first of them."""
    acknowledged, sender = SPAWN.Pipe(duplex=False)
    with acknowledged:
        with killed_at_the_end(write_for_ever, home, run_id, sender):
            sender.close()  # the child has its own
            assert acknowledged.poll(30)
            time.sleep(life_s)
        return len(read_all(acknowledged))


def read_all(pipe: Connection) -> list[int]:
    messages = []
    with suppress(EOFError):
        while True:
            messages.append(pipe.recv())
    return messages


def carry_the_rest(home: Path) -> None:
    """Start the coordinator once more, on the same folder, and let it carry what waits."""
    with closing(open_store(home)), closing(open_local_store(home)) as here:
        wait_until(lambda: Outbox(here).backlog().num_waiting == 0)
        assert Outbox(here).backlog().num_parked == 0


def check_stores_are_equal(home: Path, project: SupabaseStore) -> None:
    with closing(open_local_store(home)) as here:
        for row_type in TABLES:
            assert project.get(row_type) == here.get(row_type)


def test_what_five_killed_coordinators_acknowledged_is_in_both_stores_once(
    home: Path, project: SupabaseStore
) -> None:
    lives_s = np.random.default_rng(SEED).uniform(0, LONGEST_LIFE_S, NUM_LIVES)
    num_puts = [live(home, f"life {number}", life_s) for number, life_s in enumerate(lives_s)]
    print(f"Seed {SEED}: killed after {lives_s} s and {num_puts} puts.")  # noqa: T201 - for a failure's report
    carry_the_rest(home)
    check_stores_are_equal(home, project)
    for number, num_acknowledged in enumerate(num_puts):
        kept = [row.round_no for row in project.get(MetricRow, run_id=f"life {number}")]
        assert kept == list(range(len(kept)))
        assert num_acknowledged <= len(kept) <= num_acknowledged + 1  # one may be kept and not told
        assert len(project.get(EventRow, run_id=f"life {number}")) == len(kept)


def test_batch_whose_carrier_was_killed_in_the_middle_is_carried_once(
    home: Path, project: SupabaseStore, supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_local_store(home)) as here:
        for number in range(NUM_PUTS_BEFORE):
            here.put(rows_of("run", number))
    with HoldingProxy(supabase.url, held_answer=3) as proxy:  # after the schema's check and the metrics
        monkeypatch.setenv("SUPABASE_URL", proxy.url)
        with killed_at_the_end(carry_for_ever, home):
            assert proxy.is_held.wait(30)
        proxy.may_go.set()
    assert len(project.get(MetricRow)) == NUM_PUTS_BEFORE
    assert (len(project.get(PresenceRow)), len(project.get(EventRow))) == (1, 0)
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    carry_the_rest(home)
    check_stores_are_equal(home, project)
    assert len(project.get(EventRow)) == NUM_PUTS_BEFORE
