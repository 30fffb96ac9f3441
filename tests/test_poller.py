from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import StoreError
from fl_monitor import poller as module
from fl_monitor.poller import Poller
from fl_store.rows import EventRow
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore


def test_poller_keeps_the_last_snapshot_when_the_store_is_lost(
    store: SqliteStore, rehearsal: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal.start()
    poller = Poller(store)
    try:
        before = poller.latest()
        lose(store, tmp_path)
        poller._read()
        poller._read()
        after = poller.latest()
    finally:
        poller.stop()
    assert before is not None
    assert after is not None
    assert after.run == before.run
    assert caplog.text.count("Viewers keep the last data") == 1


def test_poller_has_nothing_if_the_store_could_never_be_read(store: SqliteStore, tmp_path: Path) -> None:
    lose(store, tmp_path)
    poller = Poller(store)
    try:
        assert poller.latest() is None
    finally:
        poller.stop()


def lose(store: SqliteStore, folder: Path) -> None:
    """Put something that is no database where the store was."""
    store.close()
    for path in folder.glob("fedluna.db*"):
        path.unlink()
    (folder / "fedluna.db").write_bytes(b"not a database, and long enough to be read as one" * 100)
    with pytest.raises(StoreError):
        store.get(EventRow)


def test_poller_rests_when_nobody_looks_and_comes_back_with_new_data(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_AFTER_S", 0.1)
    monkeypatch.setattr(module, "READ_EVERY_S", 0.2)
    poller = Poller(store)
    try:
        first = poller.latest()
        poller._thread.join(timeout=5)
        assert not poller._thread.is_alive()
        assert poller.latest().read_at > first.read_at
    finally:
        poller.stop()


def test_poller_reads_again_by_itself(store: SqliteStore, rehearsal: Any) -> None:
    poller = Poller(store)
    try:
        first = poller.latest()
        poller._stopping.wait(1.5)
        assert poller.latest().read_at > first.read_at
    finally:
        poller.stop()


def test_viewer_waits_for_a_table_that_nobody_asked_for_before(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    poller = Poller(store)
    try:
        assert RunRow not in poller.latest().tables
        assert poller.latest({RunRow}).table(RunRow) == (rehearsal.run,)
    finally:
        poller.stop()
