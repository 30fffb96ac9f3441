"""The report of a run, drawn by the monitor's program, as it draws the same figures live."""

import subprocess
import sys
from pathlib import Path

from fl_core.errors import FedLunaError

REPORT_TIMEOUT_S = 120.0


def write_report(run_id: str, home: Path, path: Path) -> None:
    """Let ``fl-monitor report`` write the file, whole or not at all; FedLunaError if it does not."""
    command = [sys.executable, "-m", "fl_monitor", "report", run_id, str(path), "--home", str(home)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=REPORT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise FedLunaError(f"There is no report of run {run_id} after {REPORT_TIMEOUT_S:g} s.") from error
    if done.returncode != 0:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise FedLunaError(f"There is no report of run {run_id}: {reason}")
