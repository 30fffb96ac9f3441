"""The coordinator's own check of its machine, run as a child process: it belongs to another layer."""

import json
import subprocess
import sys
from dataclasses import dataclass

from fl_monitor.language import gettext as _
from fl_store.base import Store
from fl_store.mirrored import MonitorStore

COMMAND = (sys.executable, "-m", "fl_server", "doctor", "--json")
TIMEOUT_S = 60.0


class CheckFailedError(Exception):
    """The check gave no findings; its text is one sentence."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: ``level`` is ok, warning or fault."""

    subject: str
    level: str
    text: str
    advice: str


def is_coordinators(store: Store) -> bool:
    """Say whether this monitor reads the store of a coordinator on the same machine."""
    return not (isinstance(store, MonitorStore) and store.reads_supabase)


def check_coordinator(*, timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Run ``fl-server doctor`` and return what it found; CheckFailedError if that cannot be had."""
    try:
        ended = subprocess.run(COMMAND, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        text = _("The check was not done after {seconds} s.").format(seconds=f"{timeout_s:g}")
        raise CheckFailedError(text) from error
    try:
        return [Finding(**found) for found in json.loads(ended.stdout)]
    except (ValueError, TypeError) as error:
        text = _("The check ended with exit code {code} and no findings.").format(code=ended.returncode)
        raise CheckFailedError(text) from error
