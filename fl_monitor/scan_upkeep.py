"""Clears away scans that were kept long enough or are a shut-out user's, and what a crash has left."""

import shutil
import time
from datetime import datetime

from fl_monitor.scan_desk import OPEN_STATES, ScanDesk
from fl_monitor.scan_folder import Upload
from fl_store.accounts import find_user
from fl_store.base import Store
from fl_store.rows import UploadRow
from fl_store.words import UploadState

STRAYS_KEPT_S = 3600.0


def sweep(desk: ScanDesk, store: Store, now: datetime) -> None:
    """Go through all scans, and tell the store what it has missed of the others."""
    for upload in desk.folder.list_uploads():
        _sweep(desk, store, upload, now)
    for path in desk.folder.list_strays():
        if time.time() - path.stat().st_mtime > STRAYS_KEPT_S:
            shutil.rmtree(path)


def _sweep(desk: ScanDesk, store: Store, upload: Upload, now: datetime) -> None:
    row = upload.row
    if row.state not in OPEN_STATES | {UploadState.DONE}:  # a crash came between the row and the folder
        desk.end(row.upload_id, row.state, row.reason)
    elif _is_shut_out(store, row.user):
        desk.end(row.upload_id, UploadState.DELETED, "The user was shut out.")
    elif now - desk.folder.used_at(upload) < desk.limits.keep:
        if store.get(UploadRow, upload_id=row.upload_id) != [row]:
            store.put([row])
    else:
        _expire(desk, row)


def _expire(desk: ScanDesk, row: UploadRow) -> None:
    """Remove a scan that nobody has touched for so long; one that waits for its search stays."""
    hours = f"{desk.limits.keep.total_seconds() / 3600:g} h"
    if row.state is UploadState.UPLOADING:
        desk.end(row.upload_id, UploadState.CANCELLED, f"It did not come whole within {hours}.")
    elif row.state is UploadState.DONE:
        desk.end(row.upload_id, UploadState.DELETED, f"It was last looked at {hours} before.")


def _is_shut_out(store: Store, name: str) -> bool:
    user = find_user(store, name)
    return user is None or user.is_disabled
