from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fl_monitor.blocks import Block, Cell, Page, Table
from fl_monitor.language import speaking
from fl_monitor.snapshot import RunRows, Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views import live
from fl_monitor.views.live import presence_text
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH
from fl_store.metrics import Metric
from fl_store.rows import EventRow, PresenceRow
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import PresenceKind, Role, RunState, SiteRoundState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunRow("run-1", "Pilot", RunState.RUNNING, num_rounds=4, config={}, started_at=NOON)
ROUND = RoundRow("run-1", 1, NOON)
DONE = SiteRoundRow("run-1", 1, "b", SiteRoundState.DONE, NOON, train_s=2.0, evaluate_s=0.5, num_examples=7)
BUSY = SiteRoundRow("run-1", 1, "a", SiteRoundState.TRAINING, NOON)
CPM = MetricRow("run-1", 1, "b", Metric.CPM, 0.75, 3, NOON)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def snapshot(run: RunRows | None, *presence: PresenceRow, now: datetime = NOON) -> Snapshot:
    return Snapshot(now, run, presence, (), 0, {"a": 0, "b": 1})


def page(seen: Snapshot) -> Page:
    return live.make(Seen(Viewer("anna", Role.ANALYST), seen))


def blocks(seen: Snapshot) -> dict[str, Block]:
    return {block.name: block for part in page(seen).parts for block in part.make(*part.sources)}


def table(seen: Snapshot, name: str) -> Table:
    found = blocks(seen)[name]
    assert isinstance(found, Table)
    return found


def words(line: tuple[Any, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]


def test_people_are_online_for_ten_seconds_after_they_were_seen() -> None:
    fresh = PresenceRow(PresenceKind.SITE, "a", "training", at(-10))
    gone = PresenceRow(PresenceKind.SITE, "b", "training", at(-11))
    server = PresenceRow(PresenceKind.SERVER, "server", "running", at(-1))
    people = table(snapshot(None, gone, fresh, server), "people").lines
    assert [words(line) for line in people] == [
        ["Coordinator", "running"],
        ["a", "training"],
        ["b", "offline, last seen"],
        ["Users", "0 online"],
    ]
    assert [line[1].at for line in people[:3]] == [None, None, at(-11)]


def test_every_state_of_a_site_has_a_word_in_chinese() -> None:
    states = ["ready", "preparing", "revoked", "lost", "training · 40 %", *SiteRoundState]
    with speaking("zh"):
        assert [state for state in states if presence_text(state) == state] == []
        assert presence_text("training · lost") == "训练 · 失联"  # not the word for a site that is worse off


@pytest.mark.parametrize(("state", "tone"), [("training · 40 %", "good"), ("training · lost", "warn")])
def test_site_that_is_connected_but_lost_is_to_be_looked_at(state: str, tone: str) -> None:
    site = PresenceRow(PresenceKind.SITE, "a", state, at(-1))
    (name, _), *_users = table(snapshot(None, site), "people").lines
    assert isinstance(name, Cell)
    assert name.tone == tone


def test_silent_coordinator_is_told_while_its_run_goes_on() -> None:
    silent = PresenceRow(PresenceKind.SERVER, "server", "running", at(-60))
    assert page(snapshot(RunRows(RUN), silent)).header.silent_since == at(-60)
    over = RunRows(replace(RUN, state=RunState.FINISHED))
    assert page(snapshot(over, silent)).header.silent_since is None


def test_no_run_is_one_sentence() -> None:
    header = page(snapshot(None)).header
    assert header.title == "No run yet"
    assert header.text == "The coordinator starts one with: fl-server --config configs/demo.toml"


def test_newest_events_come_first_and_few() -> None:
    events = tuple(EventRow("round", f"event {i}", occurred_at=at(i)) for i in range(20))
    shown = table(replace(snapshot(None), events=events), "events").lines
    assert [words(line) for line in shown] == [[f"event {i}"] for i in range(19, 7, -1)]


def test_sites_of_the_newest_round_by_name_those_without_one_last() -> None:
    rows = RunRows(RUN, (ROUND,), (replace(BUSY, site="~1"), DONE, BUSY), (CPM,))
    sites = table(snapshot(rows), "sites")
    assert sites.title == "Sites in round 1"
    assert [words(line) for line in sites.lines] == [
        ["a", "training", DASH, DASH, DASH, DASH],
        ["b", "done", "2.5", "7", DASH, "0.750"],
        ["Other site 1", "training", DASH, DASH, DASH, DASH],
    ]


def test_header_says_who_holds_the_round() -> None:
    rows = RunRows(RUN, (ROUND,), (DONE, BUSY))
    assert page(snapshot(rows)).header.text == "Waits for a."
    ended = replace(rows, rounds=(replace(ROUND, ended_at=at(9)),))
    assert page(snapshot(ended)).header.text == ""


def test_failed_run_tells_its_reason() -> None:
    failed = replace(RUN, state=RunState.FAILED, reason="No site answered in time.")
    assert page(snapshot(RunRows(failed))).header.text == "No site answered in time."


def test_run_without_a_round_has_neither_numbers_nor_charts() -> None:
    assert set(blocks(snapshot(RunRows(RUN)))) == {"people", "events"}
