import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_upkeep import sweep
from fl_store.rows import UserRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import UploadState
from tests.sent_scans import NOON, add_users, make_desk, offer, row_of, send


@pytest.fixture
def desk(store: SqliteStore, tmp_path: Path) -> ScanDesk:
    add_users(store)
    return make_desk(store, tmp_path)


def test_scan_is_deleted_a_day_after_the_last_look(desk: ScanDesk, store: SqliteStore) -> None:
    upload = send(desk)
    desk.take_next()
    desk.finish(upload.upload_id)
    looked_at = utc_now() + timedelta(hours=5)
    desk.folder.look_at(upload, looked_at)
    sweep(desk, store, looked_at + timedelta(hours=23))
    assert row_of(store, upload).state is UploadState.DONE
    sweep(desk, store, looked_at + timedelta(hours=24))
    assert row_of(store, upload).state is UploadState.DELETED
    assert not desk.folder.path_of(upload.upload_id).exists()


def test_half_a_scan_is_kept_a_day_too(desk: ScanDesk, store: SqliteStore) -> None:
    upload = desk.begin("anna", offer(), "run-1/best")
    sweep(desk, store, utc_now() + timedelta(hours=23))
    assert row_of(store, upload).state is UploadState.UPLOADING
    sweep(desk, store, utc_now() + timedelta(hours=25))
    assert (row_of(store, upload).state, row_of(store, upload).reason) == (
        UploadState.CANCELLED,
        "It did not come whole within 24 h.",
    )


def test_scans_of_a_user_who_is_shut_out_are_deleted(desk: ScanDesk, store: SqliteStore) -> None:
    upload, other = send(desk, "anna"), send(desk, "ben")
    (anna,) = store.get(UserRow, name="anna")
    store.put([replace(anna, is_disabled=True, changed_at=NOON + timedelta(hours=1))])
    sweep(desk, store, utc_now())
    assert row_of(store, upload).reason == "The user was shut out."
    assert not desk.folder.path_of(upload.upload_id).exists()
    assert row_of(store, other).state is UploadState.WAITING


def test_what_a_crash_left_is_cleared_up(desk: ScanDesk, store: SqliteStore) -> None:
    upload = send(desk)
    failed = replace(upload.row, state=UploadState.FAILED, reason="why", changed_at=utc_now())
    desk.folder.write(replace(upload, row=failed))
    stray = desk.folder.path_of("b" * 32)
    stray.mkdir()
    os.utime(stray, (0, 0))
    half_gone = desk.folder.root / f"gone-{'d' * 32}"
    half_gone.mkdir()
    os.utime(half_gone, (0, 0))
    sweep(desk, store, utc_now())
    assert row_of(store, upload).state is UploadState.FAILED
    assert [path.name for path in desk.folder.root.iterdir()] == ["lock"]


def test_row_that_the_store_has_missed_is_told_again(desk: ScanDesk, store: SqliteStore) -> None:
    upload = send(desk)
    ahead = replace(desk.folder.read(upload.upload_id).row, changed_at=utc_now(), reason="changed")
    desk.folder.write(replace(upload, row=ahead))
    sweep(desk, store, utc_now())
    assert row_of(store, upload) == ahead
