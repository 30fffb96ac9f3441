from datetime import timedelta
from pathlib import Path

import pytest

from fl_server.recorder import Recorder
from fl_server.run_control import RunControl, RunStoppedError
from fl_store.rows import EventRow, SiteAccessRow, utc_now
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState

PAUSE, RESUME, STOP = RunRequest.PAUSE, RunRequest.RESUME, RunRequest.STOP


@pytest.fixture
def control(store: SqliteStore) -> RunControl:
    run = RunRow("r1", "Run", RunState.RUNNING, 5, {}, utc_now())
    store.put([run])
    return RunControl(store, Recorder(store, run), "r1")


def ask(
    store: SqliteStore, request: RunRequest, who: str = "anna", *, run_id: str = "r1", late_s: float = 0
) -> None:
    store.put([RunRequestRow(run_id, request, who, utc_now() - timedelta(seconds=late_s))])


def say(store: SqliteStore, *, is_allowed: bool, who: str = "anna") -> None:
    store.put([SiteAccessRow("north", is_allowed, who, utc_now(), reason="Contract ended.")])


def told(store: SqliteStore, kind: str) -> list[str]:
    return [row.text for row in store.get(EventRow, kind=kind)]


def run_state(store: SqliteStore) -> tuple[RunState, str | None]:
    (run,) = store.get(RunRow)
    return run.state, run.reason


def test_stop_ends_the_run_and_says_who_asked(control: RunControl, store: SqliteStore) -> None:
    ask(store, STOP)
    with pytest.raises(RunStoppedError) as stopped:
        control.look()
    assert str(stopped.value) == "Stopped by anna in the monitor."


def test_what_is_asked_of_another_run_is_nothing_to_this(control: RunControl, store: SqliteStore) -> None:
    ask(store, STOP, run_id="r0")
    control.look()


def test_run_rests_until_it_is_to_go_on(control: RunControl, store: SqliteStore) -> None:
    ask(store, PAUSE)
    control.look()
    states = []

    def rest() -> None:
        states.append(run_state(store))
        if len(states) == 3:
            ask(store, RESUME, "bert")
        control.look()

    assert control.rest_while_paused(rest)
    assert states == [(RunState.PAUSED, "Paused by anna in the monitor.")] * 3
    assert run_state(store) == (RunState.RUNNING, None)
    assert told(store, "run") == [
        "Pause asked for by anna in the monitor: the run rests before its next round.",
        "The run is paused: Paused by anna in the monitor.",
        "Resumed by bert in the monitor.",
        "The run is running.",
    ]


def test_run_that_is_not_paused_does_not_rest(control: RunControl, store: SqliteStore) -> None:
    assert not control.rest_while_paused(pytest.fail)
    assert told(store, "run") == []


def test_pause_that_is_taken_back_in_time_does_nothing(control: RunControl, store: SqliteStore) -> None:
    ask(store, PAUSE)
    control.look()
    ask(store, RESUME)
    control.look()
    assert not control.is_paused
    assert run_state(store) == (RunState.RUNNING, None)


def test_run_can_be_stopped_while_it_rests(control: RunControl, store: SqliteStore) -> None:
    ask(store, PAUSE)
    control.look()

    def rest() -> None:
        ask(store, STOP, "root at the terminal")
        control.look()

    with pytest.raises(RunStoppedError, match=r"^Stopped by root at the terminal\.$"):
        control.rest_while_paused(rest)


def test_request_of_a_machine_whose_clock_is_behind_is_obeyed(
    control: RunControl, store: SqliteStore
) -> None:
    ask(store, PAUSE)
    control.look()
    ask(store, RESUME, late_s=3600)
    control.look()
    assert not control.is_paused


def test_of_several_requests_at_once_the_newest_counts(control: RunControl, store: SqliteStore) -> None:
    ask(store, RESUME, late_s=1)
    ask(store, STOP, late_s=3)
    ask(store, PAUSE)
    control.look()
    assert control.is_paused


def test_request_is_obeyed_once(control: RunControl, store: SqliteStore) -> None:
    ask(store, PAUSE)
    control.look()
    control.look()
    assert len(told(store, "run")) == 1


def test_nobody_resumes_what_is_not_paused(control: RunControl, store: SqliteStore) -> None:
    ask(store, RESUME)
    control.look()
    assert told(store, "run") == []


def test_site_of_which_nobody_said_anything_may_take_part(control: RunControl) -> None:
    assert control.is_allowed("north")
    control.look()
    assert control.is_allowed("north")


def test_change_of_access_is_told_once(control: RunControl, store: SqliteStore) -> None:
    control.look()
    for is_allowed in (False, True):
        say(store, is_allowed=is_allowed)
        control.look()
        control.look()
        assert control.is_allowed("north") is is_allowed
    out, back = "is left out from now on: revoked", "may take part again: allowed"
    assert told(store, "site_revoked") == [f"Site 'north' {out} by anna in the monitor."]
    assert told(store, "site_allowed") == [f"Site 'north' {back} by anna in the monitor."]
    assert {row.site for row in store.get(EventRow)} == {"north"}


def test_access_as_a_run_finds_it_is_no_change(control: RunControl, store: SqliteStore) -> None:
    say(store, is_allowed=False)
    control.look()
    assert not control.is_allowed("north")
    say(store, is_allowed=False, who="bert")
    control.look()
    assert told(store, "site_revoked") == []


def test_store_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "fedluna.db")
    control = RunControl(
        store, Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 5, {}, utc_now())), "r1"
    )
    store.close()
    store.path.unlink()
    store.path.mkdir()
    control.look()
    assert not control.is_paused
