from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_jobs import keep_progress
from fl_monitor.scan_limits import ScanLimits
from fl_monitor.scan_search import Progress
from fl_monitor.scan_slices import View
from fl_monitor.scan_words import describe_desk, describe_scans, describe_view
from fl_store.rows import UploadRow
from fl_store.sqlite import SqliteStore
from fl_store.words import UploadState
from tests.sent_scans import NOON, SCAN, add_users, make_desk, offer, send

LOST = UploadRow("x", "anna", "scan 9, .zip", 5, 5, UploadState.FAILED, NOON, NOON, "It shows no lung.")


@pytest.fixture
def desk(store: SqliteStore, tmp_path: Path) -> ScanDesk:
    add_users(store)
    return make_desk(store, tmp_path)


def lines(desk: ScanDesk, *rows: UploadRow) -> list[tuple[Any, ...]]:
    return [
        (told["title"], told["text"], told["share"], told["can"])
        for told in describe_scans(desk, "anna", rows)
    ]


def test_scan_on_its_way_tells_how_much_has_come(desk: ScanDesk) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")
    desk.append(upload, SCAN[:2560], 0)
    assert lines(desk) == [("uploading", "3 kB of 10 kB, 25 %", 0.25, "cancel")]


def test_scan_that_waits_tells_its_place_among_all(desk: ScanDesk) -> None:
    send(desk, "ben")
    send(desk, "anna")
    assert lines(desk) == [("waiting", "number 2 in the queue", None, "cancel")]


def test_search_tells_its_stage(desk: ScanDesk) -> None:
    upload = send(desk)
    desk.take_next()
    assert lines(desk) == [("being searched", "The search begins.", None, "cancel")]
    folder = desk.folder.path_of(upload.upload_id)
    keep_progress(folder, Progress("classifying", 3, 12))
    assert lines(desk) == [("being searched", "judging the candidates", 0.25, "cancel")]
    keep_progress(folder, Progress("another", 0, 0))
    assert lines(desk) == [("being searched", "another", None, "cancel")]


def test_searched_scan_tells_until_when_it_is_kept(desk: ScanDesk) -> None:
    upload = send(desk)
    desk.take_next()
    desk.finish(upload.upload_id)
    (told,) = describe_scans(desk, "anna", ())
    changed_at = desk.folder.read(upload.upload_id).row.changed_at
    assert (told["until"], told["can"]) == ((changed_at + desk.limits.keep).isoformat(), "delete")


def test_list_has_what_came_to_nothing_and_nothing_of_others(desk: ScanDesk) -> None:
    others = replace(LOST, upload_id="y", user="ben")
    deleted = replace(LOST, upload_id="z", state=UploadState.DELETED)
    assert lines(desk, LOST, others, deleted) == [("failed", "It shows no lung.", None, "")]


def test_desk_without_a_model_says_so() -> None:
    told = describe_desk(ScanLimits(), [])
    assert (told["models"], told["missing"][:22]) == ([], "There is no model here")


def test_view_of_a_model_of_no_run_says_what_is_known() -> None:
    told = describe_view(View((1, 1, 1), (1.0, 1.0, 1.0), (), {"model": {"sha256": "cd" * 32}}), [])
    assert told["origin"] == "Searched with the model of run –, round –, sha256 cdcdcdcdcdcd."  # noqa: RUF001
    assert told["warnings"] == []
