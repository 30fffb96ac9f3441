import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fl_monitor.access import ALL_SITES
from fl_monitor.feed import Feed, make_view
from fl_monitor.snapshot import SnapshotReader
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore


@pytest.fixture
def reader(store: SqliteStore, rehearsal: Any) -> SnapshotReader:
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)
    return SnapshotReader(store)


def test_first_poll_gets_words_and_charts(reader: SnapshotReader) -> None:
    news = json.loads(Feed().answer(reader.read(utc_now()), ALL_SITES, ""))
    assert news["board"]["headline"]["words"] == "Running round 1 of 10"
    assert [chart["name"] for chart in news["charts"]] == ["auc", "cpm", "loss", "seconds", "froc"]
    assert list(news["board"]["colors"]) == ["east", "north", "south"]


def test_nothing_new_is_no_answer(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = json.loads(feed.answer(reader.read(utc_now()), ALL_SITES, ""))["version"]
    rehearsal.beat(utc_now() + timedelta(seconds=1))
    assert feed.answer(reader.read(utc_now()), ALL_SITES, version) is None


def test_charts_are_not_sent_again_when_only_words_change(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = json.loads(feed.answer(reader.read(utc_now()), ALL_SITES, ""))["version"]
    rehearsal.beat(utc_now() + timedelta(seconds=1), state="evaluating")
    news = json.loads(feed.answer(reader.read(utc_now()), ALL_SITES, version))
    assert set(news) == {"version", "board"}


def test_reply_of_a_site_brings_words_and_charts(reader: SnapshotReader, rehearsal: Any) -> None:
    feed = Feed()
    version = json.loads(feed.answer(reader.read(utc_now()), ALL_SITES, ""))["version"]
    rehearsal.begin_round(2)
    rehearsal.reply(2, "north")
    news = json.loads(feed.answer(reader.read(utc_now()), ALL_SITES, version))
    assert {"board", "charts"} < set(news)


def test_each_scope_has_its_own_answer(reader: SnapshotReader) -> None:
    feed, snapshot = Feed(), reader.read(utc_now())
    everything = feed.answer(snapshot, ALL_SITES, "")
    own = feed.answer(snapshot, "north", "")
    assert "south" in everything
    assert "north" in own
    assert "south" not in own
    assert "east" not in own


def test_charts_are_drawn_again_only_when_their_rows_change(reader: SnapshotReader) -> None:
    snapshot = reader.read(utc_now())
    first = make_view(snapshot, ALL_SITES)
    same = make_view(replace(snapshot, num_users_online=5), ALL_SITES, first)
    assert same.charts is first.charts
    assert same.board_version != first.board_version


def test_snapshot_without_run_has_no_charts(store: SqliteStore) -> None:
    news = json.loads(Feed().answer(SnapshotReader(store).read(utc_now()), ALL_SITES, ""))
    assert news["charts"] == []
    assert news["board"]["headline"] is None
