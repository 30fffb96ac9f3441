import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fl_core.errors import RowRefusedError, StoreUnavailableError, TableRefusedError
from fl_core.locks import try_lock
from fl_store import carrier as module
from fl_store.carrier import Carrier, CarrierThread, pause_s
from fl_store.rows import EventRow, Row
from fl_store.run_rows import MetricRow
from fl_store.schema import TABLES
from fl_store.sqlite import SqliteStore
from tests.store_contract import EVENT, EVERY_KIND, METRIC

METRICS: list[Row] = [replace(METRIC, round_no=round_no) for round_no in range(100)]


class MoodyStore(SqliteStore):
    """A store in the place of Supabase that refuses, or is away, as the test says."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.check: Callable[[Sequence[Row]], None] = be_well
        self.num_requests = 0

    def put(self, rows: Sequence[Row]) -> None:
        self.num_requests += 1
        self.check(rows)
        self.put_copies(rows)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "fedluna.db")
    yield opened
    opened.close()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[MoodyStore]:
    opened = MoodyStore(tmp_path / "remote.db")
    yield opened
    opened.close()


@pytest.fixture
def carrier(local: SqliteStore, remote: MoodyStore) -> Carrier:
    return Carrier(local, remote)


def be_well(rows: Sequence[Row]) -> None:
    pass


def be_away(rows: Sequence[Row]) -> None:
    raise StoreUnavailableError("Supabase is away.")


def refuse_round_7(rows: Sequence[Row]) -> None:
    if any(isinstance(row, MetricRow) and row.round_no == 7 for row in rows):
        raise RowRefusedError("Round 7 is refused.")


def refuse_metrics(rows: Sequence[Row]) -> None:
    if any(isinstance(row, MetricRow) for row in rows):
        raise TableRefusedError("There are no metrics here.")


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)


def test_every_kind_of_row_is_carried(local: SqliteStore, remote: MoodyStore, carrier: Carrier) -> None:
    local.put(EVERY_KIND)
    carrier.carry()
    assert all(remote.get(row_type) == local.get(row_type) for row_type in TABLES)
    assert all(row in remote.get(type(row)) for row in EVERY_KIND)
    assert carrier.carry() == 0


def test_rows_of_a_table_go_in_one_request(local: SqliteStore, remote: MoodyStore, carrier: Carrier) -> None:
    for row in METRICS:
        local.put([row])
    carrier.carry()
    assert remote.num_requests == 1


def test_rows_wait_while_supabase_is_away(local: SqliteStore, remote: MoodyStore, carrier: Carrier) -> None:
    local.put(METRICS)
    remote.check = be_away
    with pytest.raises(StoreUnavailableError):
        carrier.carry()
    assert carrier.outbox.backlog().num_waiting == len(METRICS)
    remote.check = be_well
    carrier.carry()
    assert remote.get(MetricRow) == METRICS


def test_refused_row_is_parked_with_its_reason_and_the_others_pass(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier
) -> None:
    local.put([*METRICS, EVENT])
    remote.check = refuse_round_7
    carrier.carry()
    assert remote.get(MetricRow) == [row for row in METRICS if row != METRICS[7]]
    assert remote.get(EventRow) == [EVENT]
    (refusal,) = carrier.outbox.backlog().refusals
    assert (refusal.table, refusal.num_rows, refusal.reason) == ("metrics", 1, "Round 7 is refused.")


def test_refused_table_is_parked_in_one_request_and_the_others_pass(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier
) -> None:
    local.put([*METRICS, EVENT])
    remote.check = refuse_metrics
    carrier.carry()
    assert remote.num_requests == 3  # the event has an entry in the audit log
    assert remote.get(EventRow) == [EVENT]
    assert carrier.outbox.backlog().num_parked == len(METRICS)


def test_reason_is_logged_once(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    remote.check = refuse_metrics
    for row in METRICS[:3]:
        local.put([row])
        carrier.carry()
    assert [record.getMessage() for record in caplog.records] == [
        "Parked, as `fl-server doctor` shows: There are no metrics here."
    ]


def test_carry_all_tries_parked_rows_again(local: SqliteStore, remote: MoodyStore, carrier: Carrier) -> None:
    local.put(METRICS)
    remote.check = refuse_metrics
    carrier.carry()
    remote.check = be_well
    assert list(carrier.carry_all()) == [len(METRICS), 0]
    assert remote.get(MetricRow) == METRICS


def test_one_process_carries_at_a_time(local: SqliteStore, remote: MoodyStore, carrier: Carrier) -> None:
    local.put([METRIC])
    with try_lock(local.path.with_suffix(".carrier.lock")):
        assert carrier.carry() == 0
    assert carrier.carry() == 1


def test_thread_carries_what_is_put_and_ends_with_nothing_left(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier
) -> None:
    thread = CarrierThread(carrier)
    local.put([EVENT])
    wait_until(lambda: remote.get(EventRow) == [EVENT])
    local.put(METRICS)
    thread.stop()
    assert remote.get(MetricRow) == METRICS


def test_thread_tells_an_outage_once_and_goes_on_after_it(
    local: SqliteStore,
    remote: MoodyStore,
    carrier: Carrier,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="fl_store")
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.02)
    remote.check = be_away
    local.put([METRIC])
    thread = CarrierThread(carrier)
    wait_until(lambda: remote.num_requests > 3)
    remote.check = be_well
    wait_until(lambda: remote.get(MetricRow) == [METRIC])
    thread.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "Supabase is away. Rows wait here until it can take them.",
        "Supabase is back: 1 rows carried.",
    ]


def test_thread_outlives_our_own_mistakes(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(rows: Sequence[Row]) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.02)
    remote.check = stumble
    local.put([EVENT])
    thread = CarrierThread(carrier)
    wait_until(lambda: remote.num_requests > 1)
    remote.check = be_well
    wait_until(lambda: remote.get(EventRow) == [EVENT])
    thread.stop()


def test_thread_that_cannot_carry_ends_at_once(
    local: SqliteStore, remote: MoodyStore, carrier: Carrier
) -> None:
    remote.check = be_away
    local.put([EVENT])
    thread = CarrierThread(carrier)
    wait_until(lambda: remote.num_requests > 0)
    began = time.monotonic()
    thread.stop()
    assert time.monotonic() - began < module.DRAIN_S / 2


def test_pauses_grow_to_a_limit_and_are_never_quite_alike() -> None:
    assert 0.025 <= pause_s(1) <= 0.05
    assert 0.1 <= pause_s(4) <= 0.2
    pauses = {pause_s(1000) for _ in range(20)}
    assert len(pauses) > 1
    assert max(pauses) <= module.LONGEST_PAUSE_S
