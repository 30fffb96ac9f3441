from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fl_monitor.access import UNTOLD_REASON, limit_runs, limit_to, name_peers
from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import Snapshot, SnapshotReader
from fl_monitor.viewer import Viewer
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import (
    ComparisonRow,
    EventRow,
    LoginAttemptRow,
    SessionRow,
    SiteRow,
    UploadRow,
    UserRow,
    utc_now,
)
from fl_store.run_rows import RunRow
from fl_store.schema import TABLES
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, UploadState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NORA = Viewer("nora", Role.CLIENT, "north")
ANNA = Viewer("anna", Role.ANALYST)
CARL = Viewer("carl", Role.SERVER)


@pytest.fixture
def snapshot(store: SqliteStore, rehearsal: Any) -> Snapshot:
    """A run of three sites, and every table of the store."""
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)
    store.put([SiteRow(site, "1", 9, 3, NOON, NOON) for site in rehearsal.sites])
    return SnapshotReader(store).read(utc_now(), TABLES)


def with_rows(snapshot: Snapshot, *rows: Any) -> Snapshot:
    return replace(snapshot, tables={type(rows[0]): rows})


@pytest.mark.parametrize("viewer", [CARL, ANNA])
def test_coordinator_and_analyst_see_all_sites(snapshot: Snapshot, viewer: Viewer) -> None:
    seen = limit_to(viewer, snapshot)
    assert (seen.run, seen.presence, seen.site_ranks) == (
        snapshot.run,
        snapshot.presence,
        snapshot.site_ranks,
    )
    assert seen.table(SiteRow) == snapshot.table(SiteRow)


def test_client_sees_its_own_site_the_federation_and_peers_without_a_name(snapshot: Snapshot) -> None:
    seen = limit_to(NORA, snapshot)
    assert {row.site for row in seen.run.metrics} == {"north", FEDERATION, "~1", "~2"}
    assert {row.site for row in seen.run.site_rounds} == {"north", "~1", "~2"}
    assert {row.name for row in seen.presence} == {"server", "north", "~1", "~2"}


def test_nothing_a_client_sees_names_another_site(snapshot: Snapshot) -> None:
    seen = repr(limit_to(NORA, snapshot))
    assert "east" not in seen
    assert "south" not in seen
    assert "east" in repr(limit_to(ANNA, snapshot))


def test_of_a_peer_a_client_sees_the_scores_and_the_state_and_no_number_that_could_tell_it(
    snapshot: Snapshot,
) -> None:
    run = limit_to(NORA, snapshot).run
    peers = [row for row in run.metrics if row.site.startswith("~")]
    assert {row.metric for row in peers} == {
        Metric.AUC,
        Metric.CPM,
        Metric.VALIDATION_LOSS,
        Metric.TRAIN_LOSS,
    }
    assert {row.num_examples for row in peers} == {None}
    parts = [row for row in run.site_rounds if row.site.startswith("~")]
    assert {(row.num_examples, row.train_s, row.bytes_up, row.train_received_at) for row in parts} == {
        (None, None, 0, None)
    }


def test_order_of_peers_says_nothing_about_their_names() -> None:
    sites = [f"site-{number:02}" for number in range(20)]
    assert list(name_peers(sites)) != sites
    assert name_peers(sites) == name_peers(reversed(sites))


def test_client_keeps_the_colour_that_others_see_for_its_site(snapshot: Snapshot) -> None:
    assert snapshot.site_ranks["north"] == 1
    assert limit_to(NORA, snapshot).site_ranks == {"north": 1}


def test_client_reads_events_of_its_site_and_of_all(snapshot: Snapshot) -> None:
    events = (
        EventRow("joined", "joined", site="north"),
        EventRow("joined", "joined", site="south"),
        EventRow("round", "Round 1: south did not answer."),
        EventRow("round", "Round 1 is over."),
    )
    assert limit_to(NORA, replace(snapshot, events=events)).events == (events[0], events[3])
    assert limit_to(NORA, with_rows(snapshot, *events)).table(EventRow) == (events[0], events[3])


@pytest.mark.parametrize(("viewer", "sees"), [(CARL, True), (ANNA, True), (NORA, False)])
def test_what_a_user_did_is_seen_by_that_user_and_the_coordinator(
    snapshot: Snapshot, viewer: Viewer, *, sees: bool
) -> None:
    event = EventRow("download", "A model was downloaded.", user="anna")
    assert bool(limit_to(viewer, replace(snapshot, events=(event,))).events) is sees


def test_reason_that_names_another_site_is_not_told(snapshot: Snapshot) -> None:
    def told(reason: str) -> str | None:
        run = replace(snapshot.run.run, reason=reason)
        seen = limit_to(NORA, replace(with_rows(snapshot, run), run=replace(snapshot.run, run=run)))
        assert seen.table(RunRow)[0].reason == seen.run.run.reason
        return seen.run.run.reason

    assert told("Site 'south' sent a wrong shape.") == UNTOLD_REASON
    assert told("The disk is full.") == "The disk is full."


def test_run_of_the_past_is_limited_too(snapshot: Snapshot) -> None:
    runs = ChosenRuns(whole=snapshot.run, compared=(snapshot.run,))
    seen = limit_runs(NORA, runs, snapshot)
    assert "south" not in repr(seen)
    assert seen.whole == limit_to(NORA, snapshot).run
    assert limit_runs(ANNA, runs, snapshot) is runs


def test_accounts_are_for_the_coordinator_alone(snapshot: Snapshot) -> None:
    session = SessionRow("aa", "anna", NOON, NOON, NOON)
    user = UserRow("anna", "$2b$", Role.ANALYST, None, is_disabled=False, created_at=NOON, changed_at=NOON)
    both = replace(snapshot, tables={SessionRow: (session,), UserRow: (user,)})
    for viewer in (NORA, ANNA):
        assert limit_to(viewer, both).tables == {SessionRow: (), UserRow: ()}
    assert limit_to(CARL, both).tables == both.tables


def test_logins_and_uploads_are_seen_by_their_user_and_the_coordinator(snapshot: Snapshot) -> None:
    attempt = LoginAttemptRow("anna", "10.0.0.1", is_accepted=True, attempted_at=NOON)
    upload = UploadRow("u1", "anna", "scan 1", 9, 9, UploadState.DONE, NOON, NOON)
    both = replace(snapshot, tables={LoginAttemptRow: (attempt,), UploadRow: (upload,)})
    for viewer in (CARL, ANNA):
        assert limit_to(viewer, both).tables == both.tables
    assert limit_to(NORA, both).tables == {LoginAttemptRow: (), UploadRow: ()}


def test_client_sees_what_its_own_site_gained(snapshot: Snapshot) -> None:
    document = {"gains": [{"site": "north"}, {"site": "south"}], "arms": [{"cpm_at_site": {"south": 1}}]}
    seen = limit_to(NORA, with_rows(snapshot, ComparisonRow("c", document, NOON)))
    assert seen.table(ComparisonRow)[0].document == {"gains": [{"site": "north"}]}


def test_table_without_a_rule_is_for_the_coordinator_alone(snapshot: Snapshot) -> None:
    unknown = replace(snapshot, tables={str: ("row",)})
    assert limit_to(ANNA, unknown).tables == {str: ()}


def test_client_whose_site_is_unknown_sees_the_federation_only(snapshot: Snapshot) -> None:
    seen = limit_to(Viewer("nora", Role.CLIENT, ""), snapshot)
    assert {row.site for row in seen.run.metrics} == {FEDERATION, "~1", "~2", "~3"}
    assert seen.site_ranks == {}
