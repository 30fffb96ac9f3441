from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fl_monitor.access import limit_to
from fl_monitor.blocks import Cell, Table
from fl_monitor.snapshot import Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views.activity import make
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH
from fl_store.rows import EventRow, LoginAttemptRow, UploadRow
from fl_store.words import Role, UploadState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CARL = Viewer("carl", Role.SERVER)
NORA = Viewer("nora", Role.CLIENT, "north")
EMPTY = {EventRow: (), LoginAttemptRow: (), UploadRow: ()}


def lists(viewer: Viewer, tables: dict[Any, tuple[Any, ...]], **params: str) -> dict[str, Table]:
    """Return the page's tables by name, made of what the viewer may see."""
    ranks = {"north": 0, "south": 1}
    snapshot = Snapshot(NOON, None, (), (), 0, ranks, tables=EMPTY | tables)
    page = make(Seen(viewer, limit_to(viewer, snapshot), params=params))
    return {block.name: block for part in page.parts for block in part.make(*part.sources)}


def texts(line: tuple[Cell | str, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]


def attempt(user: str | None, address: str | None = None, *, is_accepted: bool = True) -> LoginAttemptRow:
    return LoginAttemptRow(user, address, is_accepted, NOON)


UPLOAD = UploadRow("u", "nora", "scan 3, .mhd", 120_000_000, 54_000_000, UploadState.UPLOADING, NOON, NOON)
EVENTS = (
    EventRow("site_joined", "Site 'north' has joined.", site="north"),
    EventRow("site_refused", "A node was refused: unknown key."),
    EventRow("download", "best model of run-1", user="nora"),
    EventRow("run", "The run is running."),
    EventRow("admin", "User 'ben' was added.", user="carl"),
)


def test_each_list_says_in_one_sentence_that_there_is_nothing_yet() -> None:
    found = lists(CARL, {})
    assert list(found) == ["logins", "enrolments", "uploads", "others", "downloads"]
    assert all(table.lines == () and table.empty.endswith("yet.") for table in found.values())


def test_logins_say_who_from_where_and_how_it_went_newest_first() -> None:
    rows = (attempt("nora"), attempt(None, "10.0.0.9", is_accepted=False))
    unknown, nora = lists(CARL, {LoginAttemptRow: rows})["logins"].lines
    assert texts(unknown)[1:] == ["unknown name", "10.0.0.9", "refused"]
    assert texts(nora)[1:] == ["nora", "this machine", "accepted"]
    assert (unknown[0].at, unknown[3].tone) == (NOON, "bad")


def test_uploads_say_how_far_they_are() -> None:
    (line,) = lists(CARL, {UploadRow: (UPLOAD,)})["uploads"].lines
    assert texts(line) == [
        "nora",
        "scan 3, .mhd",
        "120.0 MB",
        "54.0 MB of 120.0 MB, 45 %",
        "uploading",
        DASH,
        "",
    ]
    assert line[-1].is_age


def test_upload_of_no_bytes_has_come_whole() -> None:
    empty = replace(UPLOAD, num_bytes=0, num_bytes_received=0, state=UploadState.FAILED, reason="no file")
    (line,) = lists(CARL, {UploadRow: (empty,)})["uploads"].lines
    assert texts(line)[3:6] == ["0 kB of 0 kB, 100 %", "failed", "no file"]


def test_every_event_is_in_one_list() -> None:
    found = lists(CARL, {EventRow: EVENTS})
    assert [texts(line)[1] for line in found["enrolments"].lines] == ["Site refused", "Site joined"]
    assert [texts(line)[1:] for line in found["downloads"].lines] == [["nora", "best model of run-1"]]
    assert [texts(line)[1] for line in found["others"].lines] == ["Administration", "Run"]


def test_address_chooses_a_kind_of_events() -> None:
    chosen = lists(CARL, {EventRow: EVENTS}, kind="site_refused")["others"]
    assert (chosen.title, len(chosen.lines)) == ("Site refused", 1)
    strange = lists(CARL, {EventRow: EVENTS}, kind="<script>")["others"]
    assert (strange.lines, strange.empty) == ((), "No event of this kind yet.")


def test_event_of_an_unknown_kind_keeps_its_name() -> None:
    (line,) = lists(CARL, {EventRow: (EventRow("eclipse", "It is dark."),)})["others"].lines
    assert texts(line)[1:3] == ["eclipse", "It is dark."]


@pytest.mark.parametrize("viewer", [NORA, Viewer("nora", Role.ANALYST)])
def test_others_see_their_own_logins_uploads_and_deeds_only(viewer: Viewer) -> None:
    logins = (attempt("anna"), attempt("nora"), attempt(None))
    uploads = (UPLOAD, replace(UPLOAD, upload_id="v", user="anna"))
    found = lists(viewer, {LoginAttemptRow: logins, UploadRow: uploads, EventRow: EVENTS})
    assert [texts(line)[1] for line in found["logins"].lines] == ["nora"]
    assert [texts(line)[0] for line in found["uploads"].lines] == ["nora"]
    assert [texts(line)[1] for line in found["others"].lines] == ["Run"]


def test_client_reads_of_no_other_site() -> None:
    events = (EventRow("site_late", "Site 'south' did not answer.", site="south"), EVENTS[0])
    (line,) = lists(NORA, {EventRow: events})["enrolments"].lines
    assert texts(line)[2] == "Site 'north' has joined."
