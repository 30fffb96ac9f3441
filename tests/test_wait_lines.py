import pytest

from fl_server import wait_lines
from fl_server.recorder import Recorder
from fl_server.wait_lines import WaitLines
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState


def test_lines_come_after_fifteen_seconds_and_then_less_and_less_often(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(wait_lines.time, "monotonic", lambda: now_s)
    lines = WaitLines(Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now())))
    for second in range(2000):
        now_s = float(second)
        lines.tell_when_due(f"It waits at {second} s.")
    told = [event.text for event in store.get(EventRow, kind="waiting")]
    assert told == [f"It waits at {second} s." for second in (15, 45, 105, 225, 465, 945, 1545)]
