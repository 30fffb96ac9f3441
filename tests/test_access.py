from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fl_monitor.access import ALL_SITES, UNTOLD_REASON, limit_to, scope_of
from fl_monitor.snapshot import Snapshot, SnapshotReader
from fl_store.rows import FEDERATION, EventRow, Role, UserRow, utc_now
from fl_store.sqlite import SqliteStore
from tests.store_contract import HASH

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def user(role: Role, site: str | None) -> UserRow:
    return UserRow("u", HASH, role, site, is_disabled=False, created_at=NOON, changed_at=NOON)


@pytest.fixture
def snapshot(store: SqliteStore, rehearsal: Any) -> Snapshot:
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)
    return SnapshotReader(store).read(utc_now())


@pytest.mark.parametrize("role", [Role.SERVER, Role.ANALYST])
def test_coordinator_and_analyst_see_all_sites(snapshot: Snapshot, role: Role) -> None:
    assert limit_to(scope_of(user(role, None)), snapshot) is snapshot


def test_client_sees_its_own_site_and_the_federation(snapshot: Snapshot) -> None:
    seen = limit_to(scope_of(user(Role.CLIENT, "north")), snapshot)
    assert {row.site for row in seen.run.metrics} == {"north", FEDERATION}
    assert {row.site for row in seen.run.site_rounds} == {"north"}
    assert [row.name for row in seen.presence] == ["server", "north"]


def test_nothing_a_client_sees_names_another_site(snapshot: Snapshot) -> None:
    seen = repr(limit_to("north", snapshot))
    assert "east" not in seen
    assert "south" not in seen
    assert "east" in repr(limit_to(ALL_SITES, snapshot))


def test_client_keeps_the_colour_that_others_see_for_its_site(snapshot: Snapshot) -> None:
    assert snapshot.site_ranks["north"] == 1
    assert limit_to("north", snapshot).site_ranks == {"north": 1}


def test_client_reads_events_of_its_site_and_of_all(snapshot: Snapshot) -> None:
    events = (
        EventRow("joined", "joined", site="north"),
        EventRow("joined", "joined", site="south"),
        EventRow("round", "Round 1: south did not answer."),
        EventRow("round", "Round 1 is over."),
    )
    seen = limit_to("north", replace(snapshot, events=events))
    assert seen.events == (events[0], events[3])


def test_reason_that_names_another_site_is_not_told(snapshot: Snapshot) -> None:
    def told(reason: str) -> str | None:
        run = replace(snapshot.run, run=replace(snapshot.run.run, reason=reason))
        return limit_to("north", replace(snapshot, run=run)).run.run.reason

    assert told("Site 'south' sent a wrong shape.") == UNTOLD_REASON
    assert told("The disk is full.") == "The disk is full."


def test_client_whose_site_is_unknown_sees_the_federation_only(snapshot: Snapshot) -> None:
    seen = limit_to(scope_of(user(Role.CLIENT, None)), snapshot)
    assert {row.site for row in seen.run.metrics} == {FEDERATION}
    assert seen.run.site_rounds == ()
