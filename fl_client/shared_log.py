"""What a hospital that agrees shows of its log: the newest lines of one run, scrubbed before they leave."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fl_core.logs import list_log_files
from fl_core.messages import MAX_LOG_BYTES
from fl_core.scrub import scrub_json


def read_shared_log(log: Path, run_id: str, data_root: Path) -> str:
    """Return the lines of a run, the oldest first; the oldest are left out where they are too many."""
    told: list[str] = []
    room = MAX_LOG_BYTES
    for line in _find_lines(log, run_id):
        text = json.dumps(scrub_json(line, folders=[data_root])) + "\n"
        room -= len(text)
        if room < 0:
            break
        told.append(text)
    return "".join(reversed(told))


def _find_lines(log: Path, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run, the newest first; one that a kill has cut off is none."""
    for path in list_log_files(log):
        for line in reversed(path.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if content.get("run") == run_id:
                yield content
