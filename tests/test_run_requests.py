from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.run_requests import ask_of_run, asked_text, find_open_request, list_offers
from fl_store.accounts import add_user
from fl_store.rows import EventRow, UserRow
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunRequest, RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PAUSE, RESUME, STOP = RunRequest.PAUSE, RunRequest.RESUME, RunRequest.STOP


def run(state: RunState = RunState.RUNNING) -> RunRow:
    return RunRow("run-1", "Pilot", state, 4, {}, NOON)


def asked(request: RunRequest, seconds: float = 0, *, run_id: str = "run-1") -> RunRequestRow:
    return RunRequestRow(run_id, request, "carl", NOON + timedelta(seconds=seconds))


@pytest.fixture
def carl(store: SqliteStore) -> UserRow:
    return add_user(store, "carl", "correct horse", role=Role.SERVER)


@pytest.mark.parametrize(
    ("request_", "state", "is_open"),
    [
        (PAUSE, RunState.RUNNING, True),
        (PAUSE, RunState.WAITING, True),
        (PAUSE, RunState.PAUSED, False),
        (RESUME, RunState.PAUSED, True),
        (RESUME, RunState.RUNNING, False),
        (STOP, RunState.RUNNING, True),
        (STOP, RunState.PAUSED, True),
        (STOP, RunState.STOPPED, False),
        (PAUSE, RunState.FINISHED, False),
    ],
)
def test_request_is_open_until_the_state_shows_it(
    request_: RunRequest, state: RunState, *, is_open: bool
) -> None:
    row = asked(request_)
    assert find_open_request(run(state), [row]) == (row if is_open else None)


def test_newest_request_counts_and_that_of_another_run_does_not() -> None:
    pause, other = asked(PAUSE, 0), asked(STOP, 9, run_id="run-2")
    assert find_open_request(run(), [pause, other]) == pause
    assert find_open_request(run(), [pause, asked(RESUME, 1), other]) is None


@pytest.mark.parametrize(
    ("state", "open_request", "offers"),
    [
        (RunState.WAITING, None, (PAUSE, STOP)),
        (RunState.RUNNING, None, (PAUSE, STOP)),
        (RunState.RUNNING, PAUSE, (RESUME, STOP)),
        (RunState.PAUSED, None, (RESUME, STOP)),
        (RunState.PAUSED, RESUME, (PAUSE, STOP)),
        (RunState.RUNNING, STOP, ()),
        (RunState.FINISHED, None, ()),
    ],
)
def test_offers_follow_the_state_and_what_was_asked(
    state: RunState, open_request: RunRequest | None, offers: tuple[RunRequest, ...]
) -> None:
    assert list_offers(run(state), asked(open_request) if open_request else None) == offers


def test_coordinator_asks_in_a_row_and_an_event(store: SqliteStore, carl: UserRow) -> None:
    store.put([run()])
    assert ask_of_run(store, carl, "run-1", PAUSE) == ""
    (row,) = store.get(RunRequestRow)
    assert (row.run_id, row.request, row.requested_by) == ("run-1", PAUSE, "carl")
    (event,) = store.get(EventRow)
    assert (event.kind, event.text) == ("run", "Pause was asked by carl.")
    assert (event.run_id, event.user) == ("run-1", "carl")


@pytest.mark.parametrize("role", [Role.ANALYST, Role.CLIENT, None])
def test_whoever_is_no_coordinator_at_the_click_asks_nothing(
    store: SqliteStore, carl: UserRow, role: Role | None
) -> None:
    store.put([run()])
    user = replace(carl, role=role) if role else None
    assert ask_of_run(store, user, "run-1", STOP).startswith("Only a coordinator can")
    assert store.get(RunRequestRow) == []
    assert store.get(EventRow) == []


@pytest.mark.parametrize("run_id", ["run-1", "run-9"])
def test_run_that_is_over_or_gone_is_asked_nothing(store: SqliteStore, carl: UserRow, run_id: str) -> None:
    store.put([run(RunState.FINISHED)])
    assert ask_of_run(store, carl, run_id, STOP) == "The run has changed meanwhile. Nothing was asked."
    assert store.get(RunRequestRow) == []


def test_same_request_is_not_written_twice(store: SqliteStore, carl: UserRow) -> None:
    store.put([run()])
    assert ask_of_run(store, carl, "run-1", STOP) == ""
    assert ask_of_run(store, carl, "run-1", STOP) != ""
    assert len(store.get(RunRequestRow)) == 1


def test_pause_that_has_not_begun_can_be_taken_back(store: SqliteStore, carl: UserRow) -> None:
    store.put([run()])
    assert ask_of_run(store, carl, "run-1", PAUSE) == ""
    assert ask_of_run(store, carl, "run-1", RESUME) == ""
    assert find_open_request(run(), store.get(RunRequestRow)) is None


def test_open_request_says_who_asked() -> None:
    assert asked_text(asked(PAUSE)) == "Pause asked by carl: the run rests before its next round."
