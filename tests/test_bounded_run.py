"""Real child processes within real bounds."""

import os
import signal
import subprocess
import sys

import pytest

from tests.sent_scans import program, wait_until_gone

GB = 10**9


def run(text: str, *, memory_bytes: int = 2 * GB, file_bytes: int = GB) -> subprocess.CompletedProcess[str]:
    """Run a program of Python within bounds."""
    launcher = [sys.executable, "-m", "fl_monitor.bounded_run"]
    command = [*launcher, str(memory_bytes), str(file_bytes), str(os.getpid()), *program(text)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_program_runs_with_its_own_arguments_at_low_priority() -> None:
    ended = run("import os, sys; print(os.nice(0), sys.argv)")
    assert (ended.returncode, ended.stdout) == (0, f"{min(os.nice(0) + 10, 19)} ['-c']\n")


def test_memory_beyond_the_bound_is_refused() -> None:
    ended = run("bytearray(400_000_000)", memory_bytes=200_000_000)
    assert ended.returncode == 1
    assert "MemoryError" in ended.stderr


def test_file_beyond_the_bound_is_refused(tmp_path: object) -> None:
    ended = run(f"import pathlib; pathlib.Path('{tmp_path}/x').write_bytes(bytes(2000))", file_bytes=1000)
    assert "File too large" in ended.stderr


def test_bounds_cannot_be_lifted_and_no_core_is_dumped() -> None:
    ended = run("import resource as r; print(r.getrlimit(r.RLIMIT_DATA), r.getrlimit(r.RLIMIT_CORE))")
    assert ended.stdout == f"({2 * GB}, {2 * GB}) (0, 0)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_program_ends_when_its_parent_is_killed() -> None:
    child = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    launcher = "[sys.executable, '-m', 'fl_monitor.bounded_run', '2000000000', '1', str(os.getpid())]"
    parent = f"import os, subprocess, sys; subprocess.run({launcher} + [sys.executable, '-c', {child!r}])"
    with subprocess.Popen(program(parent), stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    wait_until_gone(pid)
