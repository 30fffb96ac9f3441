"""The one thread that searches scans, the longest waiting first, and clears away what has been kept enough.

Of several monitors with one folder, one searches: it holds a lock that the system lets go of when it ends.
"""

import contextlib
import itertools
import json
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from fl_core.errors import StoreError
from fl_core.locks import try_lock
from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_folder import VOLUME, Upload
from fl_monitor.scan_models import ModelMissingError, copy_model
from fl_monitor.scan_search import (
    COMMAND,
    Progress,
    Search,
    SearchFailedError,
    SearchStoppedError,
    run_search,
)
from fl_monitor.scan_slices import read_view
from fl_monitor.scan_upkeep import sweep
from fl_store.base import Store
from fl_store.rows import utc_now
from fl_store.words import UploadState

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SWEEP_EVERY = 30
"""After so many looks, the folder is cleared up."""
PROGRESS = "progress.json"


class ScanJobs:
    """Searches the scans of a desk, as long as it is not stopped."""

    def __init__(self, desk: ScanDesk, store: Store, home: Path, command: Sequence[str] = COMMAND) -> None:
        self._desk = desk
        self._store = store
        self._home = home
        self._command = command
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._run, name="fl-monitor-scans", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and with it the search that goes on, which begins anew next time."""
        self._stopping.set()
        self._desk.has_news.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        with self._desk.folder.locked():
            pass  # makes the folder
        while not self._stopping.is_set():
            with try_lock(self._desk.folder.root / "worker.lock") as is_ours:
                if is_ours:
                    self._work()
            self._stopping.wait(LOOK_EVERY_S)

    def _work(self) -> None:
        """Take one scan after the other; a fault of the store or the disk is told, and tried again."""
        for turn in itertools.count():
            try:
                self._desk.requeue()
                if turn % SWEEP_EVERY == 0:
                    sweep(self._desk, self._store, utc_now())
                while not self._stopping.is_set() and (upload := self._desk.take_next()):
                    self.search(upload)
            except (StoreError, OSError) as error:
                logger.warning("Scans cannot be searched at the moment: %s", error)
            if self._stopping.is_set():
                return
            self._desk.has_news.wait(LOOK_EVERY_S)
            self._desk.has_news.clear()

    def search(self, upload: Upload) -> None:
        """Search one scan, to its result or to the sentence that says why there is none."""
        folder = self._desk.folder.path_of(upload.upload_id)
        try:
            self._search(upload, folder)
        except SearchStoppedError:
            return  # it is gone, or will be searched when the monitor is there again
        except (SearchFailedError, ModelMissingError, OSError, ValueError) as error:
            if self._desk.is_wanted(upload.upload_id):
                reason = _tell(error, folder)
                logger.warning("A search came to no result: %s", reason)
                self._desk.end(upload.upload_id, UploadState.FAILED, reason)

    def _search(self, upload: Upload, folder: Path) -> None:
        (folder / PROGRESS).unlink(missing_ok=True)
        for name in ("out", "view"):
            self._desk.folder.drop(upload.upload_id, name)
            (folder / name).mkdir(mode=0o700)
        model = copy_model(self._store, self._home, upload.model, folder)
        scan = folder / "scan" / upload.plan.entry
        run_search(
            Search(scan, model, folder / "out", folder / VOLUME, folder / "scratch"),
            self._desk.limits,
            on_progress=lambda progress: keep_progress(folder, progress),
            should_stop=lambda: self._stopping.is_set() or not self._desk.is_wanted(upload.upload_id),
            command=self._command,
        )
        read_view(folder)
        self._desk.finish(upload.upload_id)


@asynccontextmanager
async def searching(desk: ScanDesk, store: Store, home: Path) -> AsyncIterator[None]:
    """Search scans as long as the server lives."""
    jobs = ScanJobs(desk, store, home)
    jobs.start()
    try:
        yield
    finally:
        await run_in_threadpool(jobs.stop)


def keep_progress(folder: Path, progress: Progress) -> None:
    """Write down how far a search is."""
    path = folder / PROGRESS
    partial = path.with_suffix(".partial")
    with contextlib.suppress(OSError):  # the scan was just deleted, or the disk is full: the search will tell
        partial.write_text(json.dumps([progress.stage, progress.done, progress.of]), encoding="utf-8")
        partial.replace(path)


def read_progress_of(folder: Path) -> Progress | None:
    """Return how far a search is, if it has told."""
    try:
        return Progress(*json.loads((folder / PROGRESS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _tell(error: Exception, folder: Path) -> str:
    """Return what a user and the coordinator read: a sentence without a path of ours."""
    if isinstance(error, OSError):
        return f"It cannot be searched here: {error.strerror}."
    return str(error).replace(str(folder), "the scan's folder")
