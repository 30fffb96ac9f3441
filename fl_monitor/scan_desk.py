"""Takes scans in, follows each from its first byte to its deletion, and tells the store.

The truth about an upload is on disk; its row in the store, which the coordinator sees, follows it.
"""

import logging
import secrets
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from fl_monitor.event_words import UPLOAD
from fl_monitor.language import gettext as _
from fl_monitor.scan_folder import ScanFolder, Upload
from fl_monitor.scan_limits import ScanLimits
from fl_monitor.scan_plan import Plan, ScanRefusedError, SentFile, fingerprint_of, make_plan
from fl_store.base import Store
from fl_store.rows import EventRow, UploadRow, utc_now
from fl_store.words import UploadState

logger = logging.getLogger(__name__)

TELL_EVERY_S = 1.0
MOST_TRIES = 3
OPEN_STATES = frozenset({UploadState.UPLOADING, UploadState.WAITING, UploadState.RUNNING})
FULL = "The disk of the monitor is full."


class ScanDesk:
    """All scans of one monitor; every method may be called from any thread."""

    def __init__(self, store: Store, folder: ScanFolder, limits: ScanLimits) -> None:
        self._store = store
        self.folder = folder
        self.limits = limits
        self.has_news = threading.Event()
        self._receiving: set[str] = set()
        self._lock = threading.Lock()

    # From the browser

    def begin(self, user: str, files: Sequence[SentFile], model: str) -> Upload:
        """Make room for a scan, or go on with the same one; ScanRefusedError if it is not taken."""
        plan = make_plan(files, self.limits)
        fingerprint = fingerprint_of(files)
        row = self._new_row(user, plan)
        with self.folder.locked():
            own = [each for each in self.folder.list_uploads() if each.row.user == user]
            for upload in own:
                if upload.row.state in OPEN_STATES:
                    return _go_on(upload, fingerprint)
            self._check_room(plan, num_own=len(own))
            upload = Upload(row, plan, fingerprint, model)
            self.folder.create(upload)
        self._store.put([row])
        return upload

    def find(self, user: str, upload_id: str) -> Upload:
        """Return a user's own upload; ScanRefusedError for all others, as if there were none."""
        upload = self.folder.read(upload_id)
        if upload is None or upload.row.user != user:
            raise ScanRefusedError(_("There is no such scan, or it has been deleted."), 404)
        return upload

    def find_searched(self, user: str, upload_id: str) -> Upload:
        """Return a user's own upload if there is something to look at; ScanRefusedError if not."""
        upload = self.find(user, upload_id)
        if upload.row.state is not UploadState.DONE:
            raise ScanRefusedError(_("This scan has not been searched yet."), 409)
        return upload

    @contextmanager
    def receiving(self, upload: Upload) -> Iterator[None]:
        """Receive a part of an upload; ScanRefusedError if another one is on its way."""
        with self._lock:
            if upload.upload_id in self._receiving:
                raise ScanRefusedError(_("Another part of this scan is still on its way."), 409)
            self._receiving.add(upload.upload_id)
        try:
            yield
        finally:
            with self._lock:
                self._receiving.discard(upload.upload_id)

    def check_turn(self, upload: Upload, offset: int, num_bytes: int) -> None:
        """Raise ScanRefusedError if these are not the next bytes of an upload."""
        now = self.find(upload.row.user, upload.upload_id)
        received = self.folder.num_received(now)
        if now.row.state is not UploadState.UPLOADING or offset != received:
            raise ScanRefusedError(_("This part of the scan is not the next one."), 409)
        if not 0 < num_bytes <= now.plan.num_bytes - received:
            raise ScanRefusedError(_("These bytes are not part of the scan."))

    def append(self, upload: Upload, data: bytes, offset: int) -> None:
        """Write bytes of an upload; if the disk is full, it has failed, and ScanRefusedError says so."""
        try:
            self.folder.append(upload, data, offset)
        except FileNotFoundError as error:  # it was cancelled meanwhile
            raise ScanRefusedError(_("There is no such scan, or it has been deleted."), 404) from error
        except OSError as error:
            logger.warning("A scan cannot be received: %s.", error.strerror)
            self.end(upload.upload_id, UploadState.FAILED, FULL)
            raise ScanRefusedError(_("The disk of the monitor is full."), 507) from error

    def note_received(self, upload: Upload) -> int:
        """Tell how much of an upload has come, and let it wait for its search once that is all."""
        now = self.folder.read(upload.upload_id)
        if now is None or now.row.state is not UploadState.UPLOADING:
            return upload.plan.num_bytes
        received = self.folder.num_received(now)
        is_whole = received == now.plan.num_bytes
        if is_whole or (utc_now() - now.row.changed_at).total_seconds() >= TELL_EVERY_S:
            state = UploadState.WAITING if is_whole else UploadState.UPLOADING
            self._change(now.upload_id, {UploadState.UPLOADING}, state, num_bytes_received=received)
        if is_whole:
            self.has_news.set()
        return received

    def give_up(self, upload: Upload) -> None:
        """Cancel an upload or its search, or delete what was found: nothing of it stays."""
        is_open = upload.row.state in OPEN_STATES
        self.end(upload.upload_id, UploadState.CANCELLED if is_open else UploadState.DELETED)

    def refuse(self, user: str, reason: str) -> None:
        """Tell the coordinator that a user's scan was not taken."""
        self._store.put([EventRow(UPLOAD, f"A scan of {user} was not taken: {reason}", user=user)])

    # For the search

    def take_next(self) -> Upload | None:
        """Return the scan that has waited longest, which is being searched from now on."""
        waiting = [each for each in self.folder.list_uploads() if each.row.state is UploadState.WAITING]
        if not waiting:
            return None
        first = min(waiting, key=lambda upload: upload.row.changed_at)
        return self._change(first.upload_id, {UploadState.WAITING}, UploadState.RUNNING)

    def requeue(self) -> None:
        """Let scans wait again whose search was cut short, a few times: it may be their fault."""
        for upload in self.folder.list_uploads():
            if upload.row.state is UploadState.RUNNING:
                if upload.num_tries < MOST_TRIES:
                    self._change(upload.upload_id, {UploadState.RUNNING}, UploadState.WAITING)
                else:
                    reason = f"Its search was cut short {MOST_TRIES} times."
                    self.end(upload.upload_id, UploadState.FAILED, reason)

    def is_wanted(self, upload_id: str) -> bool:
        """Say whether a scan is still to be searched."""
        upload = self.folder.read(upload_id)
        return upload is not None and upload.row.state is UploadState.RUNNING

    def finish(self, upload_id: str) -> None:
        """Note that a scan has been searched; what was sent is no longer needed."""
        if self._change(upload_id, {UploadState.RUNNING}, UploadState.DONE):
            self.folder.drop(upload_id, "scan")
            self.folder.drop(upload_id, "scratch")

    def end(self, upload_id: str, state: UploadState, reason: str | None = None) -> None:
        """Remove an upload with all that is on disk, and tell the coordinator if it has failed."""
        with self.folder.locked():
            upload = self.folder.read(upload_id)
            if upload is None:
                return
            row = replace(upload.row, state=state, reason=reason, changed_at=utc_now())
            self.folder.write(replace(upload, row=row))
            self._store.put([row, *_events_of(row)])
            self.folder.remove(upload_id)

    def _change(
        self,
        upload_id: str,
        before: Collection[UploadState],
        state: UploadState,
        num_bytes_received: int | None = None,
    ) -> Upload | None:
        """Bring an upload from one of the states ``before`` to another; None if it is in no such state."""
        with self.folder.locked():
            upload = self.folder.read(upload_id)
            if upload is None or upload.row.state not in before:
                return None
            received = upload.row.num_bytes_received if num_bytes_received is None else num_bytes_received
            row = replace(upload.row, state=state, changed_at=utc_now(), num_bytes_received=received)
            changed = replace(upload, row=row, num_tries=upload.num_tries + (state is UploadState.RUNNING))
            self.folder.write(changed)
        self._store.put([row])
        return changed

    def _new_row(self, user: str, plan: Plan) -> UploadRow:
        number = 1 + len(self._store.get(UploadRow, user=user))
        now = utc_now()
        return UploadRow(
            upload_id=secrets.token_hex(16),
            user=user,
            label=f"scan {number}, {plan.ending}",
            num_bytes=plan.num_bytes,
            num_bytes_received=0,
            state=UploadState.UPLOADING,
            started_at=now,
            changed_at=now,
        )

    def _check_room(self, plan: Plan, *, num_own: int) -> None:
        if num_own >= self.limits.num_kept:
            sentence = _("You have {number} scans here, as many as a user may have. Delete one first.")
            raise ScanRefusedError(sentence.format(number=num_own), 409)
        used = self.folder.used_bytes() + plan.num_bytes
        free = shutil.disk_usage(self.folder.root).free - plan.num_bytes
        if used > self.limits.space_bytes or free < self.limits.free_bytes:
            raise ScanRefusedError(
                _("There is no room for this scan at the moment. Delete one of yours, or try again later."),
                507,
            )


def _events_of(row: UploadRow) -> list[EventRow]:
    """Return what the coordinator is told of an upload that has ended; told twice, it is one event."""
    if row.state is not UploadState.FAILED:
        return []
    text = f"{row.label.capitalize()} of {row.user} failed: {row.reason}"
    return [EventRow(UPLOAD, text, user=row.user, event_id=f"{row.upload_id}-failed")]


def _go_on(upload: Upload, fingerprint: str) -> Upload:
    """Return the upload that is being sent already, if it is the same scan."""
    if upload.row.state is UploadState.UPLOADING and upload.fingerprint == fingerprint:
        return upload
    if upload.row.state is UploadState.UPLOADING:
        sentence = _("{label} has not come whole. Choose the same file again to go on, or cancel it.")
    else:
        sentence = _("{label} is still to be searched. Send the next scan when that is done, or cancel it.")
    raise ScanRefusedError(sentence.format(label=upload.row.label), 409)
