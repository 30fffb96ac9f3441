"""The thread that searches, with searches in real child processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_jobs import ScanJobs, keep_progress, read_progress_of
from fl_monitor.scan_search import Progress
from fl_store.rows import EventRow
from fl_store.sqlite import SqliteStore
from fl_store.words import UploadState
from tests.sent_scans import SEARCH, add_users, keep_model, make_desk, program, row_of, send

SLEEP = (
    "import pathlib, sys, time; pathlib.Path(sys.argv[1]).parent.joinpath('begun').touch(); time.sleep(60)"
)
Start = Callable[[str], ScanJobs]


@pytest.fixture
def desk(store: SqliteStore, tmp_path: Path) -> ScanDesk:
    add_users(store)
    keep_model(store, tmp_path)
    return make_desk(store, tmp_path)


@pytest.fixture
def start(desk: ScanDesk, store: SqliteStore, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts the thread with a program as its search."""
    begun: list[ScanJobs] = []

    def begin(text: str) -> ScanJobs:
        begun.append(ScanJobs(desk, store, tmp_path, program(text)))
        begun[-1].start()
        return begun[-1]

    yield begin
    for jobs in begun:
        jobs.stop()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_scans_are_searched_one_after_the_other(desk: ScanDesk, store: SqliteStore, start: Start) -> None:
    uploads = [send(desk, "anna"), send(desk, "ben")]
    start(SEARCH)
    wait_for(lambda: all(row_of(store, upload).state is UploadState.DONE for upload in uploads))
    folder = desk.folder.path_of(uploads[0].upload_id)
    assert (folder / "out/nodules.csv").is_file()
    wait_for(lambda: not (folder / "scan").exists())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import sys; print(f'{sys.argv[1]}: full', file=sys.stderr); sys.exit(2)",
            "the scan's folder/scan/scan.nii.gz: full",
        ),
        ("pass", "The search left no whole result."),
    ],
)
def test_failed_search_is_a_sentence_an_event_and_nothing_left(
    desk: ScanDesk, store: SqliteStore, start: Start, text: str, reason: str
) -> None:
    upload = send(desk)
    start(text)
    wait_for(lambda: row_of(store, upload).state is UploadState.FAILED)
    assert row_of(store, upload).reason == reason
    assert [event.text for event in store.get(EventRow)] == [f"Scan 1, .nii.gz of anna failed: {reason}"]
    wait_for(lambda: not desk.folder.path_of(upload.upload_id).exists())


def test_lost_model_is_told(desk: ScanDesk, store: SqliteStore, start: Start, tmp_path: Path) -> None:
    upload = send(desk)
    (tmp_path / "runs/run-1/best.safetensors").write_bytes(b"other weights")
    start(SEARCH)
    wait_for(lambda: row_of(store, upload).state is UploadState.FAILED)
    assert "its sha256 differs" in row_of(store, upload).reason


def test_cancelled_search_makes_room_for_the_next(desk: ScanDesk, store: SqliteStore, start: Start) -> None:
    first = send(desk, "anna")
    start(f"import sys\nif '{first.upload_id}' in sys.argv[1]:\n    import time; time.sleep(60)\n{SEARCH}")
    second = send(desk, "ben")
    wait_for(lambda: row_of(store, first).state is UploadState.RUNNING)
    desk.give_up(desk.find("anna", first.upload_id))
    wait_for(lambda: row_of(store, second).state is UploadState.DONE)
    assert row_of(store, first).state is UploadState.CANCELLED
    assert not desk.folder.path_of(first.upload_id).exists()


def test_scan_is_deleted_while_its_search_writes(desk: ScanDesk, store: SqliteStore, start: Start) -> None:
    upload = send(desk)
    write = "pathlib.Path(sys.argv[5], str(no)).write_bytes(b'x')"
    start(f"import itertools, pathlib, sys\nfor no in itertools.count(): {write}")
    out = desk.folder.path_of(upload.upload_id) / "out"
    wait_for((out / "9").exists)
    desk.give_up(desk.find("anna", upload.upload_id))
    assert [path.name for path in desk.folder.root.iterdir() if path.is_dir()] == []
    assert row_of(store, upload).state is UploadState.CANCELLED


def test_search_goes_on_after_a_restart(desk: ScanDesk, store: SqliteStore, start: Start) -> None:
    upload = send(desk)
    jobs = start("import time; time.sleep(60)")
    wait_for(lambda: row_of(store, upload).state is UploadState.RUNNING)
    jobs.stop()
    start(SEARCH)
    wait_for(lambda: row_of(store, upload).state is UploadState.DONE)


def test_of_two_monitors_one_searches(desk: ScanDesk, store: SqliteStore, start: Start) -> None:
    start(SEARCH)
    wait_for((desk.folder.root / "worker.lock").exists)
    start("raise SystemExit('the other one')")
    upload = send(desk)
    wait_for(lambda: row_of(store, upload).state is UploadState.DONE)


def test_store_that_is_away_for_a_moment_stops_nothing(
    desk: ScanDesk, store: SqliteStore, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fl_core.errors import StoreUnavailableError

    faults = iter([StoreUnavailableError("away")])
    take_next = desk.take_next

    def take() -> object:
        for fault in faults:
            raise fault
        return take_next()

    monkeypatch.setattr(desk, "take_next", take)
    upload = send(desk)
    start(SEARCH)
    wait_for(lambda: row_of(store, upload).state is UploadState.DONE)


def test_progress_is_read_as_it_was_kept_and_needs_no_folder(tmp_path: Path) -> None:
    keep_progress(tmp_path, Progress("lungs", 1, 2))
    assert read_progress_of(tmp_path) == Progress("lungs", 1, 2)
    keep_progress(tmp_path / "gone", Progress("lungs", 1, 2))
    assert read_progress_of(tmp_path / "gone") is None
