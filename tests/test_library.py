from dataclasses import replace
from typing import Any

import pytest

from fl_monitor import library
from fl_monitor.library import MOST_COMPARED, RunLibrary, compared_ids, read_run
from fl_store.metrics import FEDERATION
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState


@pytest.fixture
def shelf(store: SqliteStore, rehearsal: Any) -> RunLibrary:
    rehearsal.start(RunState.FINISHED)
    rehearsal.play_round(1)
    return RunLibrary(store)


def test_run_is_read_as_a_whole(shelf: RunLibrary, store: SqliteStore) -> None:
    assert shelf.choose({"run": "run-1"}).whole == read_run(store, "run-1")


def test_of_runs_to_compare_the_federation_is_read(shelf: RunLibrary) -> None:
    (rows,) = shelf.choose({"runs": "run-1"}).compared
    assert {row.site for row in rows.metrics} == {FEDERATION}


def test_run_that_is_not_there_is_told(shelf: RunLibrary) -> None:
    chosen = shelf.choose({"runs": "run-1,gone", "run": "also-gone"})
    assert chosen.missing == ("gone", "also-gone")
    assert (len(chosen.compared), chosen.whole) == (1, None)


def test_no_more_than_five_runs_are_compared_each_once() -> None:
    assert compared_ids({"runs": "a,b,,a,c,d,e,f"}) == ["a", "b", "c", "d", "e"]
    assert len(compared_ids({"runs": ",".join(map(str, range(99)))})) == MOST_COMPARED


def test_run_is_kept_for_a_while_and_then_read_again(
    shelf: RunLibrary, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shelf.choose({"run": "run-1"}).whole
    store.put([replace(store.get(RunRow)[0], name="Renamed")])
    assert shelf.choose({"run": "run-1"}).whole is before
    monkeypatch.setattr(library, "KEPT_S", 0.0)
    assert shelf.choose({"run": "run-1"}).whole.run.name == "Renamed"


def test_run_that_has_not_changed_is_the_same_object(
    shelf: RunLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "KEPT_S", 0.0)
    assert shelf.choose({"run": "run-1"}).whole is shelf.choose({"run": "run-1"}).whole
