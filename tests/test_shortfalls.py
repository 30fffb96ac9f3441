"""What a site does less than it was asked is told once, and again only when it gets worse."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_server.recorder import Recorder
from fl_server.shortfalls import Shortfalls
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState

UPDATE = TrainReply(
    TaskId("r1", 1), {"w": np.zeros(1)}, num_examples=9, loss=0.5, train_s=1, began_at_s=0, batch_size=16
)


class Members:
    """A roll call in which every site has told that it cannot use one scan."""

    def member(self, _site: str) -> SimpleNamespace:
        return SimpleNamespace(num_set_aside=1)


@pytest.fixture
def shortfalls(store: SqliteStore) -> Shortfalls:
    run = RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now())
    store.put([run])
    return Shortfalls(16, Members(), Recorder(store, run))  # type: ignore[arg-type]


def texts(store: SqliteStore) -> list[str]:
    return [event.text for event in store.get(EventRow)]


def test_site_that_does_all_is_not_spoken_of(shortfalls: Shortfalls, store: SqliteStore) -> None:
    for batch_size in (0, 16, 32):
        shortfalls.look("north", replace(UPDATE, batch_size=batch_size, num_set_aside=1))
    assert texts(store) == []


def test_smaller_batches_are_told_once_for_each_size(shortfalls: Shortfalls, store: SqliteStore) -> None:
    for batch_size in (8, 8, 16, 4):
        shortfalls.look("north", replace(UPDATE, batch_size=batch_size))
    why = "its GPU ran out of memory."
    assert texts(store) == [
        f"Site 'north' trains with batches of 8, not 16: {why}",
        f"Site 'north' trains with batches of 4, not 16: {why}",
    ]
    assert [event.site for event in store.get(EventRow)] == ["north", "north"]


def test_scans_that_a_site_cannot_use_any_more_are_counted(
    shortfalls: Shortfalls, store: SqliteStore
) -> None:
    for num_set_aside in (1, 3, 3, 2):
        shortfalls.look("north", replace(UPDATE, num_set_aside=num_set_aside))
    (text,) = texts(store)
    assert text.startswith("Site 'north' cannot use 2 more of its scans: ")
