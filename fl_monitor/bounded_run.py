"""Becomes another program with bounds that it cannot lift, and that ends when its parent does.

``python -m fl_monitor.bounded_run MEMORY_BYTES FILE_BYTES PARENT_PID PROGRAM ARGUMENT...``
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

NICENESS = 10
PR_SET_PDEATHSIG = 1
FIRST_TO_GO = "1000"
"""Where the machine runs out of memory, the system ends us before the monitor."""


def main() -> None:
    """Set the bounds and become the program."""
    memory_bytes, file_bytes, parent = map(int, sys.argv[1:4])
    die_with(parent)
    for limit, most in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),  # it would hold the scan
    ):
        resource.setrlimit(limit, (most, most))
    os.nice(NICENESS)
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 - no shell is wanted


def die_with(parent: int) -> None:
    """Have the system end this process when the thread that started it ends; at once if it has."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main()
