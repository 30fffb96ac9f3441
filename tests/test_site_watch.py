import time

import pytest
from flwr.app import Message, RecordDict

from fl_core.status import STATUS, Status
from fl_server import site_watch
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.site_watch import SiteWatch, Work
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.fake_grid import FakeGrid, FakeSite

HALF = Status("a task", "training", 50, 100)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed."""
    seconds = [1000.0]
    monkeypatch.setattr(site_watch.time, "monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def flower(flower_identity: None) -> FakeGrid:
    flower = FakeGrid()
    flower.nodes = {5: FakeSite("north", status=HALF)}
    return flower


@pytest.fixture
def watch(flower: FakeGrid, store: SqliteStore) -> SiteWatch:
    recorder = Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now()))
    return SiteWatch(PromptGrid(flower), recorder)


def begin(size_bytes: int = 0) -> Work:
    now_s = time.monotonic()
    task = Message(RecordDict(), dst_node_id=5, message_type="train")
    return Work("north", task, "a task", size_bytes, now_s, now_s + 60, 5, "message", now_s)


def look_for(watch: SiteWatch, work: Work, clock: list[float], seconds: int) -> None:
    for _ in range(seconds):
        clock[0] += 1
        watch.look([work])


def test_site_is_asked_every_ten_seconds(watch: SiteWatch, flower: FakeGrid, clock: list[float]) -> None:
    work = begin()
    look_for(watch, work, clock, 35)
    assert flower.types_sent_to(5) == [STATUS] * 3
    assert work.status == HALF
    assert watch.lost_s("north") is None


def test_silent_site_is_lost_after_twenty_seconds_and_asked_on(
    watch: SiteWatch, flower: FakeGrid, clock: list[float], store: SqliteStore
) -> None:
    flower.nodes[5] = FakeSite("north", instead={STATUS: None})
    work = begin()
    look_for(watch, work, clock, 20)
    assert watch.lost_s("north") is None
    look_for(watch, work, clock, 100)
    assert watch.lost_s("north") == pytest.approx(99)
    (event,) = store.get(EventRow)
    assert event.text == "Site 'north' has not answered for 21 s: it stands still, or its line does."
    assert 3 <= len(flower.types_sent_to(5)) <= 5


def test_large_model_on_a_slow_link_may_keep_a_site_silent(
    watch: SiteWatch, flower: FakeGrid, clock: list[float]
) -> None:
    flower.nodes[5] = FakeSite("north", instead={STATUS: None})
    work = begin(size_bytes=25_000_000)  # 100 s at 2 Mbit/s
    look_for(watch, work, clock, 120)
    assert watch.lost_s("north") is None
    look_for(watch, work, clock, 1)
    assert watch.lost_s("north") is not None


def test_site_that_answers_again_is_back(
    watch: SiteWatch, flower: FakeGrid, clock: list[float], store: SqliteStore
) -> None:
    flower.nodes[5] = FakeSite("north", instead={STATUS: None})
    work = begin()
    look_for(watch, work, clock, 40)
    flower.answer_late(5, RecordDict())
    look_for(watch, work, clock, 1)
    assert watch.lost_s("north") is None
    assert store.get(EventRow)[-1].text == "Site 'north' is back after 20 s."


def test_site_that_says_twice_that_it_does_nothing_has_lost_its_task(
    watch: SiteWatch, flower: FakeGrid, clock: list[float]
) -> None:
    flower.nodes[5] = FakeSite("north")
    work = begin()
    look_for(watch, work, clock, 12)
    assert work.num_idle == 1
    look_for(watch, work, clock, 10)
    assert work.num_idle == 2
    flower.nodes[5] = FakeSite("north", status=HALF)
    look_for(watch, work, clock, 10)
    assert work.num_idle == 0


def test_answer_that_flower_gives_for_a_node_that_has_gone_is_none(
    watch: SiteWatch, flower: FakeGrid, clock: list[float]
) -> None:
    flower.nodes[5] = FakeSite("north", instead={STATUS: None})
    work = begin()
    look_for(watch, work, clock, 11)
    del flower.nodes[5]
    look_for(watch, work, clock, 20)
    assert watch.lost_s("north") is not None
