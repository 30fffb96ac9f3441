import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_plan import ScanRefusedError
from fl_store.rows import EventRow, UploadRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import UploadState
from tests.sent_scans import SCAN, add_users, make_desk, offer, row_of, send


@pytest.fixture
def desk(store: SqliteStore, tmp_path: Path) -> ScanDesk:
    add_users(store)
    return make_desk(store, tmp_path)


def age(desk: ScanDesk, upload_id: str, at: timedelta) -> None:
    """Have an upload last changed so long ago."""
    upload = desk.folder.read(upload_id)
    desk.folder.write(replace(upload, row=replace(upload.row, changed_at=utc_now() - at)))


def state_of(desk: ScanDesk, upload_id: str) -> UploadState | None:
    upload = desk.folder.read(upload_id)
    return upload.row.state if upload else None


def test_row_tells_size_and_ending_and_no_name(desk: ScanDesk, store: SqliteStore) -> None:
    upload = desk.begin("anna", offer("Jane Doe.nii.gz"), "run-1/best")
    row = row_of(store, upload)
    assert (row.label, row.num_bytes, row.state) == ("scan 1, .nii.gz", len(SCAN), UploadState.UPLOADING)
    assert "Doe" not in str(store.get(UploadRow)) + str(list(desk.folder.root.rglob("*")))
    assert "Doe" not in (desk.folder.path_of(upload.upload_id) / "upload.json").read_text()


def test_scan_that_has_come_whole_waits_and_is_taken_once(desk: ScanDesk, store: SqliteStore) -> None:
    upload = send(desk)
    assert row_of(store, upload).state is UploadState.WAITING
    assert row_of(store, upload).num_bytes_received == len(SCAN)
    assert desk.take_next().upload_id == upload.upload_id
    assert desk.take_next() is None
    assert row_of(store, upload).state is UploadState.RUNNING


def test_longest_waiting_comes_first(desk: ScanDesk) -> None:
    later, first = send(desk, "anna"), send(desk, "ben")
    age(desk, first.upload_id, timedelta(minutes=1))
    assert [desk.take_next().upload_id for _ in range(2)] == [first.upload_id, later.upload_id]


def test_same_files_go_on_where_they_were(desk: ScanDesk) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")
    desk.append(upload, SCAN[:100], 0)
    again = desk.begin("anna", offer(), "run-1/last")
    assert again.upload_id == upload.upload_id
    assert desk.folder.num_received(again) == 100


def test_other_files_wait_until_the_scan_is_done(desk: ScanDesk) -> None:
    desk.begin("anna", offer(), "run-1/best")
    with pytest.raises(ScanRefusedError, match=r"scan 1, \.nii\.gz has not come whole"):
        desk.begin("anna", offer(modified_ms=8), "run-1/best")
    assert desk.begin("ben", offer(), "run-1/best").row.user == "ben"


def test_second_scan_waits_until_the_first_is_searched(desk: ScanDesk) -> None:
    upload = send(desk)
    with pytest.raises(ScanRefusedError, match="is still to be searched"):
        desk.begin("anna", offer(), "run-1/best")
    desk.take_next()
    desk.finish(upload.upload_id)
    assert desk.begin("anna", offer(), "run-1/best").row.label == "scan 2, .nii.gz"


@pytest.mark.parametrize(
    ("offset", "num_bytes", "status"),
    [(0, 10, 409), (101, 10, 409), (-1, 10, 409), (2**60, 10, 409), (100, 0, 400), (100, len(SCAN), 400)],
)
def test_bytes_that_are_not_the_next_are_refused(
    desk: ScanDesk, offset: int, num_bytes: int, status: int
) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")
    desk.append(upload, SCAN[:100], 0)
    with pytest.raises(ScanRefusedError) as refused:
        desk.check_turn(upload, offset, num_bytes)
    assert refused.value.status == status


def test_two_parts_at_once_are_one_too_many(desk: ScanDesk) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")
    with desk.receiving(upload), pytest.raises(ScanRefusedError, match="still on its way"):
        desk.receiving(upload).__enter__()
    with desk.receiving(upload):
        pass


def test_full_disk_is_one_sentence_an_event_and_nothing_left(
    desk: ScanDesk, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(desk.folder, "append", fill)
    with pytest.raises(ScanRefusedError, match=r"^The disk of the monitor is full\.$"):
        desk.append(upload, SCAN, 0)
    assert not desk.folder.path_of(upload.upload_id).exists()
    row = row_of(store, upload)
    assert (row.state, row.reason) == (UploadState.FAILED, "The disk of the monitor is full.")
    (event,) = store.get(EventRow)
    assert (event.kind, event.user) == ("upload", "anna")
    assert event.text == "Scan 1, .nii.gz of anna failed: The disk of the monitor is full."


@pytest.mark.parametrize("limits", [{"space_bytes": len(SCAN) - 1}, {"free_bytes": 10**18}])
def test_scan_without_room_is_refused(store: SqliteStore, tmp_path: Path, limits: dict[str, int]) -> None:
    desk = make_desk(store, tmp_path, **limits)
    with pytest.raises(ScanRefusedError, match="There is no room") as refused:
        desk.begin("anna", offer(), "run-1/best")
    assert refused.value.status == 507
    assert store.get(UploadRow) == []


def test_user_keeps_a_few_scans_only(store: SqliteStore, tmp_path: Path) -> None:
    desk = make_desk(store, tmp_path, num_kept=1)
    upload = send(desk)
    desk.take_next()
    desk.finish(upload.upload_id)
    with pytest.raises(ScanRefusedError, match="You have 1 scans here, as many"):
        desk.begin("anna", offer(), "run-1/best")


def test_scans_that_are_still_to_come_take_room_already(store: SqliteStore, tmp_path: Path) -> None:
    desk = make_desk(store, tmp_path, space_bytes=len(SCAN) * 3 // 2)
    desk.begin("anna", offer(), "run-1/best")
    with pytest.raises(ScanRefusedError, match="There is no room"):
        desk.begin("ben", offer(), "run-1/best")


@pytest.mark.parametrize("name", ["ben", "carl", ""])
def test_scan_of_another_is_as_if_it_were_not_there(desk: ScanDesk, name: str) -> None:
    upload = send(desk)
    sentences = set()
    for user, upload_id in ((name, upload.upload_id), ("anna", "f" * 32)):
        with pytest.raises(ScanRefusedError) as refused:
            desk.find(user, upload_id)
        sentences.add((refused.value.status, str(refused.value)))
    assert sentences == {(404, "There is no such scan, or it has been deleted.")}


@pytest.mark.parametrize("num_steps", [0, 1, 2])
def test_scan_is_cancelled_at_any_time_and_nothing_is_left(
    desk: ScanDesk, store: SqliteStore, num_steps: int
) -> None:
    upload = send(desk) if num_steps else desk.begin("anna", offer(), "run-1/best")
    if num_steps == 2:
        desk.take_next()
    desk.give_up(desk.find("anna", upload.upload_id))
    assert row_of(store, upload).state is UploadState.CANCELLED
    assert not desk.folder.path_of(upload.upload_id).exists()
    assert not desk.is_wanted(upload.upload_id)
    desk.finish(upload.upload_id)
    assert row_of(store, upload).state is UploadState.CANCELLED


def test_searched_scan_keeps_its_results_only_until_it_is_deleted(desk: ScanDesk, store: SqliteStore) -> None:
    upload = send(desk)
    desk.take_next()
    desk.finish(upload.upload_id)
    assert not (desk.folder.path_of(upload.upload_id) / "scan").exists()
    desk.give_up(desk.find_searched("anna", upload.upload_id))
    assert row_of(store, upload).state is UploadState.DELETED
    assert not desk.folder.path_of(upload.upload_id).exists()


def test_search_that_a_restart_cut_short_begins_anew_but_not_for_ever(
    desk: ScanDesk, store: SqliteStore
) -> None:
    upload = send(desk)
    for _ in range(3):
        assert desk.take_next().upload_id == upload.upload_id
        desk.requeue()
    assert desk.take_next() is None
    assert row_of(store, upload).reason == "Its search was cut short 3 times."
