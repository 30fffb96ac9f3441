"""Scans on a monitor's desk, the model to search them with, and a search that takes a moment."""

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_folder import ScanFolder, Upload
from fl_monitor.scan_limits import ScanLimits
from fl_monitor.scan_plan import SentFile
from fl_monitor.service import Service
from fl_store.base import Store
from fl_store.rows import UploadRow, UserRow
from fl_store.run_rows import CheckpointRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunState
from tests.attacked_monitor import password_hash, run_service

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCAN = bytes(range(256)) * 40
ROOMY = replace(ScanLimits(), free_bytes=0)
WEIGHTS = b"weights"

# Writes what ``luna16 detect`` writes, of a scan of 2 x 3 x 4 voxels with one nodule.
SEARCH = """
import json, pathlib, sys
told = dict(zip(sys.argv[2::2], sys.argv[3::2]))
print(json.dumps({"stage": "lungs", "done": 1, "of": 2}), file=sys.stderr, flush=True)
nodule = {"rank": 1, "center_zyx_vox": [1, 1, 2], "diameter_mm": 6.0, "probability": 0.9}
view, out = pathlib.Path(told["--view"]), pathlib.Path(told["--out"])
view.write_bytes(b"".join(n.to_bytes(2, "little") for n in range(24)))
box = {"size_zyx_vox": [2, 3, 4], "spacing_zyx_mm": [2.0, 1.0, 1.0], "nodules": [nodule]}
view.with_suffix(".json").write_text(json.dumps(box))
model = {"sha256": "ab" * 32, "run_id": "run-1", "round_no": 3}
result = {"notice": "Research use only, not for diagnosis.", "model": model, "warnings": ["Thick slices."]}
(out / "result.json").write_text(json.dumps(result))
(out / "nodules.csv").write_text("seriesuid,coordX,coordY,coordZ,probability\\n")
"""


def program(text: str) -> tuple[str, ...]:
    """Return a command that runs a program of Python."""
    return (sys.executable, "-c", text)


def make_desk(store: Store, root: Path, **limits: Any) -> ScanDesk:
    return ScanDesk(store, ScanFolder(root / "scans"), replace(ROOMY, **limits))


@contextmanager
def run_scan_service(store: SqliteStore) -> Iterator[Service]:
    """Run a monitor whose scans have room and a model."""
    with run_service(store) as running:
        running.scans.limits = ROOMY
        keep_model(store, running.home)
        yield running


def add_users(store: Store) -> None:
    """Let anna and ben in, who have a scan each."""
    store.put(
        [UserRow(name, password_hash(), Role.ANALYST, None, False, NOON, NOON) for name in ("anna", "ben")]
    )


def offer(name: str = "patient.nii.gz", num_bytes: int = len(SCAN), modified_ms: int = 7) -> list[SentFile]:
    return [SentFile(name=name, num_bytes=num_bytes, modified_ms=modified_ms)]


def send(desk: ScanDesk, user: str = "anna", data: bytes = SCAN) -> Upload:
    """Send a whole scan, which waits for its search then."""
    upload = desk.begin(user, offer(num_bytes=len(data)), "run-1/best")
    desk.append(upload, data, 0)
    desk.note_received(upload)
    return upload


def row_of(store: Store, upload: Upload) -> UploadRow:
    return store.get(UploadRow, upload_id=upload.upload_id)[0]


def keep_model(store: Store, home: Path, run_id: str = "run-1", kind: str = "best") -> CheckpointRow:
    """Keep a model of a run, with its JSON beside it."""
    folder = home / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind}.safetensors").write_bytes(WEIGHTS)
    (folder / f"{kind}.json").write_text("{}")
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    row = CheckpointRow(run_id, kind, 3, f"{kind}.safetensors", sha256, len(WEIGHTS), 0.71, 0.9, NOON)
    store.put([RunRow(run_id, "Pilot", RunState.FINISHED, 3, {}, NOON, NOON), row])
    return row


def wait_until_gone(pid: int) -> None:
    """Wait until a process has ended, whether its parent has noticed or not."""
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
