import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fl_core.logs import kept_log
from fl_server.progress_table import RunView
from fl_server.run_lines import RunLines
from fl_store.rows import EventRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState


def put_event(store: SqliteStore, kind: str, text: str, *, s: int = 0) -> None:
    store.put([EventRow(kind, text, run_id="run-1", site="north", occurred_at=utc_now() + timedelta(0, s))])


def on_paper(paper: io.StringIO, store: SqliteStore, *, is_terminal: bool = False) -> RunLines:
    return RunLines(Console(file=paper, force_terminal=is_terminal, width=60), store, "run-1")


def test_event_is_one_line_with_its_time_and_told_once(
    store: SqliteStore, rehearsal: Any, paper: io.StringIO
) -> None:
    rehearsal.start()
    put_event(store, "site_joined", "of an earlier start")
    lines = on_paper(paper, store)
    put_event(store, "site_joined", "Site 'north' has joined. [red]" + "x" * 100)
    for _ in range(2):
        lines.tell_new(RunView.read(store, "run-1"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d  Site 'north' has joined\. \[red\]x{100}\n", paper.getvalue())


def test_lines_are_in_the_order_of_time_and_a_round_is_told_by_its_numbers(
    store: SqliteStore, rehearsal: Any, paper: io.StringIO
) -> None:
    rehearsal.start()
    lines = on_paper(paper, store)
    put_event(store, "run", "The run is finished.", s=9)
    put_event(store, "round_ended", "Round 1 is over.", s=6)
    put_event(store, "site_ready", "Site 'north' is ready.", s=-1)
    rehearsal.play_round(1)
    lines.tell_new(RunView.read(store, "run-1"))
    told = [line[10:17] for line in paper.getvalue().splitlines()]
    assert told == [
        "Site 'n",
        "round 1",
        "Round 1",
        "The run",
    ]  # the rehearsal's own event is of another kind


def test_table_on_a_terminal_tells_the_rounds(store: SqliteStore, rehearsal: Any, paper: io.StringIO) -> None:
    rehearsal.start()
    lines = on_paper(paper, store, is_terminal=True)
    rehearsal.play_round(1)
    lines.tell_new(RunView.read(store, "run-1"))
    assert "pooled AUC" not in paper.getvalue()


def test_end_of_the_run_is_left_to_the_last_lines(
    store: SqliteStore, rehearsal: Any, paper: io.StringIO
) -> None:
    rehearsal.start()
    lines = on_paper(paper, store)
    rehearsal.start(RunState.FAILED)
    put_event(store, "run", "The run is failed: no sites.")
    put_event(store, "run", "Resumed by anna.")
    lines.tell_new(RunView.read(store, "run-1"))
    assert [line[10:] for line in paper.getvalue().splitlines()] == ["Resumed by anna."]


@pytest.mark.parametrize(("kind", "is_coloured"), [("site_late", True), ("site_joined", False)])
def test_warning_has_a_colour(
    kind: str, store: SqliteStore, rehearsal: Any, paper: io.StringIO, *, is_coloured: bool
) -> None:
    rehearsal.start()
    lines = on_paper(paper, store, is_terminal=True)
    put_event(store, kind, "Look.")
    lines.tell_new(RunView.read(store, "run-1"))
    assert ("\x1b[33mLook." in paper.getvalue()) is is_coloured


def test_what_is_told_is_in_the_log_with_its_round_and_site(
    store: SqliteStore, rehearsal: Any, paper: io.StringIO, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal.start()
    lines = on_paper(paper, store)
    rehearsal.begin_round(1)
    put_event(store, "site_late", "Site 'north' did not answer.")
    with kept_log(tmp_path / "log.jsonl", run="run-1"):
        lines.tell_new(RunView.read(store, "run-1"))
    lines_kept = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    (line,) = (each for each in lines_kept if "did not answer" in each["text"])  # INFO may be on
    assert (line["level"], line["run"], line["round"], line["site"]) == ("WARNING", "run-1", 1, "north")


def test_line_bears_the_round_it_is_of_though_the_next_has_begun(
    store: SqliteStore, rehearsal: Any, paper: io.StringIO, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rehearsal.start()
    lines, now = on_paper(paper, store), utc_now()
    rehearsal.play_round(1, now)
    rehearsal.begin_round(2, now + timedelta(seconds=6))
    with kept_log(tmp_path / "log.jsonl", run="run-1"):
        lines.tell_new(RunView.read(store, "run-1"))
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["round"] for line in told if "round 1" in line["text"]} == {1}
