import gzip
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fl_monitor.feed import ANSWERS_KEPT, PACKED_KEPT, Feed
from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import Snapshot, SnapshotReader
from fl_monitor.viewer import Query, Viewer
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

ANNA = Query("live", Viewer("anna", Role.ANALYST))
NORA = Query("live", Viewer("nora", Role.CLIENT, "north"))
NO_RUNS = ChosenRuns()


@pytest.fixture
def reader(store: SqliteStore, rehearsal: Any) -> SnapshotReader:
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)
    return SnapshotReader(store)


def ask(feed: Feed, snapshot: Snapshot, query: Query = ANNA, known: str = "") -> Any:
    answer = feed.answer(snapshot, NO_RUNS, query, known)
    return answer and json.loads(gzip.decompress(answer))


def names(part: list[dict[str, Any]]) -> list[str]:
    return [block["name"] for block in part]


def test_first_poll_gets_the_header_and_all_blocks_in_their_order(reader: SnapshotReader) -> None:
    news = ask(Feed(), reader.read(utc_now()))
    assert news["header"]["title"] == "Running round 1 of 10"
    assert list(news["header"]["colors"]) == ["east", "north", "south"]
    assert [names(part) for part in news["parts"]] == [
        ["figures", "sites"],
        ["people"],
        ["legend", "auc", "cpm", "loss", "seconds", "froc"],
        ["events"],
    ]


def test_nothing_new_is_no_answer(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = ask(feed, reader.read(utc_now()))["version"]
    rehearsal.beat(utc_now() + timedelta(seconds=1))
    assert ask(feed, reader.read(utc_now()), known=version) is None


def test_charts_are_not_sent_again_when_only_words_change(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = ask(feed, reader.read(utc_now()))["version"]
    rehearsal.beat(utc_now() + timedelta(seconds=1), state="evaluating")
    news = ask(feed, reader.read(utc_now()), known=version)
    assert news["header"] is None
    assert [part and names(part) for part in news["parts"]] == [None, ["people"], None, None]


def test_reply_of_a_site_brings_words_and_charts(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = ask(feed, reader.read(utc_now()))["version"]
    rehearsal.begin_round(2)
    rehearsal.reply(2, "north")
    news = ask(feed, reader.read(utc_now()), known=version)
    assert news["header"]["title"] == "Running round 2 of 10"
    assert [part and names(part) for part in news["parts"]][::2] == [
        ["figures", "sites"],
        ["legend", "auc", "cpm", "loss", "seconds", "froc"],
    ]


def test_charts_are_not_drawn_anew_for_the_same_rows(
    reader: SnapshotReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed()
    ask(feed, reader.read(utc_now()))
    ask(feed, reader.read(utc_now()), NORA)
    monkeypatch.setattr("fl_monitor.views.live.make_progress_charts", None)
    monkeypatch.setattr("fl_monitor.access.limit_run", None)
    assert ask(feed, reader.read(utc_now()))["parts"][2]
    assert ask(feed, reader.read(utc_now()), NORA)["parts"][2]


def test_what_a_browser_knows_of_another_page_is_sent_all_the_same(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    everything = ask(feed, snapshot)
    assert ask(feed, snapshot, known="made.up.version") == everything
    assert ask(feed, snapshot, known="." * 50) == everything


def test_each_kind_of_viewer_has_its_own_answer(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    everything = str(ask(feed, snapshot))
    own = str(ask(feed, snapshot, NORA))
    assert "south" in everything
    assert "north" in own
    assert "south" not in own


def test_viewers_who_may_see_the_same_share_an_answer(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    other = replace(ANNA, viewer=Viewer("boris", Role.ANALYST))
    assert feed._find_answer(snapshot, NO_RUNS, ANNA) is feed._find_answer(snapshot, NO_RUNS, other)


def test_parameters_that_people_make_up_do_not_fill_the_memory(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    for number in range(ANSWERS_KEPT + 9):
        ask(feed, snapshot, replace(ANNA, params={"made": str(number)}))
    assert len(feed._answers) == ANSWERS_KEPT


def test_what_browsers_make_up_of_their_version_does_not_fill_the_memory(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    for number in range(PACKED_KEPT + 9):
        ask(feed, snapshot, known=str(number))
    assert len(feed._find_answer(snapshot, NO_RUNS, ANNA)._packed) <= PACKED_KEPT
