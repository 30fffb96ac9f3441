"""Searches one scan for nodules in a child process, within bounds: it may take hours, memory, or crash.

The child is ``luna16 detect``: detection needs torch, which stays out of the monitor.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from fl_core.processes import end_child
from fl_monitor.scan_limits import ScanLimits

COMMAND = (sys.executable, "-m", "luna16", "detect")
LOOK_EVERY_S = 0.1
LONGEST_LINE = 4000
USAGE_CODE = 2
"""With it ``luna16`` ends where the scan or the model is at fault, and its last line says how."""
HEADROOM = 1.5
"""The child may reserve so much more than it may use, so that it is ended by us, with a reason."""
NO_MEMORY = ("MemoryError", "bad_alloc", "can't allocate memory", "Cannot allocate memory")
FILES_TIMES = 8
"""A compressed scan may be so many times larger when it is unpacked."""
SECRETS = ("SUPABASE_URL", "SUPABASE_KEY")


class SearchFailedError(Exception):
    """The search came to no result; its text is one sentence for the user."""


class SearchStoppedError(Exception):
    """The search was no longer wanted."""


@dataclass(frozen=True)
class Search:
    """What is searched with which model, and where the results and the voxels to look at go."""

    scan: Path
    model: Path
    out: Path
    view: Path
    scratch: Path

    def arguments(self) -> list[str]:
        """Return the arguments of ``luna16 detect``."""
        files = ["--model", str(self.model), "--out", str(self.out), "--view", str(self.view)]
        return [str(self.scan), *files, "--progress-json"]


@dataclass(frozen=True)
class Progress:
    """How far a search is: ``done`` of ``of`` parts of a stage."""

    stage: str
    done: int
    of: int


def run_search(
    search: Search,
    limits: ScanLimits,
    *,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    command: Sequence[str] = COMMAND,
) -> None:
    """Search a scan to its end.

    Raises SearchFailedError if there is no result, and SearchStoppedError as soon as it should stop.
    """
    search.scratch.mkdir(mode=0o700, exist_ok=True)
    child = _start([*command, *search.arguments()], search.scratch, limits)
    listener = _Listener(child, on_progress)
    try:
        code = _wait(child, limits, should_stop)
    finally:
        end_child(child, grace_s=1.0)
        listener.join()
    if code != 0:
        raise SearchFailedError(_explain(code, listener.last_line))


def _start(command: Sequence[str], scratch: Path, limits: ScanLimits) -> subprocess.Popen[bytes]:
    bounds = (int(limits.memory_bytes * HEADROOM), limits.upload_bytes * FILES_TIMES, os.getpid())
    launcher = [sys.executable, "-m", "fl_monitor.bounded_run", *map(str, bounds)]
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return subprocess.Popen(
        [*launcher, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment | {"TMPDIR": str(scratch)},
        start_new_session=True,
    )


def _wait(child: subprocess.Popen[bytes], limits: ScanLimits, should_stop: Callable[[], bool]) -> int:
    deadline = time.monotonic() + limits.search_s
    while (code := child.poll()) is None:
        if should_stop():
            raise SearchStoppedError
        if time.monotonic() > deadline:
            raise SearchFailedError(f"The search took longer than {limits.search_s / 60:g} minutes.")
        if _memory_of(child.pid) > limits.memory_bytes:
            raise SearchFailedError(_no_memory_text())
        time.sleep(LOOK_EVERY_S)
    return code


def _memory_of(pid: int) -> int:
    """Return what a process and those that it has started hold in memory, in bytes."""
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.Error:  # it has just ended
        return 0


def _explain(code: int, last_line: str) -> str:
    """Say in one sentence why there is no result."""
    if code == USAGE_CODE and last_line:
        return last_line
    if code == -signal.SIGKILL or any(word in last_line for word in NO_MEMORY):
        return _no_memory_text()
    return f"The search failed (exit code {code})."


def _no_memory_text() -> str:
    return "The search needs more memory than a scan may have here. Send a smaller part of the scan."


class _Listener:
    """Reads what the child says: its progress, and the line with which it ends."""

    def __init__(self, child: subprocess.Popen[bytes], on_progress: Callable[[Progress], None]) -> None:
        self.last_line = ""
        self._on_progress = on_progress
        self._thread = threading.Thread(target=self._listen, args=[child.stderr], daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until all has been read."""
        self._thread.join()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            while raw := stream.readline(LONGEST_LINE):
                line = raw.decode("utf-8", "replace").strip()
                if progress := read_progress(line):
                    self._on_progress(progress)
                elif line:
                    self.last_line = line


def read_progress(line: str) -> Progress | None:
    """Read a line of progress; None if it is none."""
    try:
        said = json.loads(line)
        return Progress(str(said["stage"]), int(said["done"]), int(said["of"]))
    except (ValueError, TypeError, KeyError):
        return None
