"""The post-mortem of a run: one zip of what happened, to be given to whoever is to find out why.

Everything in it is scrubbed (``fl_core/scrub.py``), and what should be in it and is not there is named.
"""

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from fl_core.errors import UsageError
from fl_core.logs import list_log_files
from fl_core.scrub import scrub, scrub_json, scrub_lines
from fl_core.versions import find_versions
from fl_server.doctor import examine
from fl_server.export import make_json, make_timings_csv
from fl_server.history import make_history
from fl_store.base import Store
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow, SiteRoundRow
from fl_store.wire import to_json
from luna16.whole_files import written_whole

MAX_TEXT_BYTES = 5_000_000
JSON_LOGS = ("server.jsonl", "fl-server.jsonl")
README = """\
What happened in one run of FedLuna, for whoever is to find out why it went as it did.

MANIFEST.json   each file here with its sha256, and what is missing
versions.json   programs of the coordinator       config.json   the run's configuration
history.json    rounds and numbers                events.jsonl  what happened, in words
timings.csv     each site's part of each round    doctor.json   what `fl-server doctor` says now
logs/           the coordinator's logs            sites/        those of the sites that agree

UIDs of scans, paths, names of scan files and secrets were taken out. Sites, network addresses and people
with a login are named. Look through it before you give it to others.
"""


@dataclass
class Bundle:
    """A zip that is being written, and the list of what is in it and what is missing."""

    archive: ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, text: str) -> None:
        """Add a file."""
        content = text.encode()
        self.archive.writestr(name, content)
        sha256 = hashlib.sha256(content).hexdigest()
        self.files.append({"name": name, "bytes": len(content), "sha256": sha256})

    def add_log(self, name: str, path: Path, home: Path) -> None:
        """Add a log, or note why it cannot be read."""
        try:
            text = _read_log(path, home)
        except OSError as error:
            self.missing.append({"name": name, "reason": str(error.strerror)})
        else:
            self.add(name, text)


def write_post_mortem(path: Path, store: Store, run: RunRow, home: Path) -> None:
    """Write the zip of a run, whole or not at all; UsageError if it cannot be written."""
    try:
        with written_whole(path) as (partial,), ZipFile(partial, "w", ZIP_DEFLATED) as archive:
            _fill(Bundle(archive), store, run, home)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error


def _fill(bundle: Bundle, store: Store, run: RunRow, home: Path) -> None:
    folder = home / "runs" / run.run_id
    bundle.add("README.txt", README)
    for name, document in _list_documents(store, run, home, folder):
        bundle.add(name, make_json(scrub_json(document, home)))
    events = store.get(EventRow, run_id=run.run_id)
    bundle.add("events.jsonl", "".join(f"{json.dumps(scrub_json(to_json(row), home))}\n" for row in events))
    parts = store.get(SiteRoundRow, run_id=run.run_id)
    bundle.add("timings.csv", scrub(make_timings_csv(parts), home))
    for log in _list_logs(folder):
        bundle.add_log(f"logs/{log.name}", log, home)
    for site in sorted({part.site for part in parts}):
        bundle.add_log(f"sites/{site}.jsonl", folder / "sites" / f"{site}.jsonl", home)
    contents = {"run": run.run_id, "made_at": utc_now().isoformat()}
    manifest = {**contents, "files": bundle.files, "missing": bundle.missing}
    bundle.archive.writestr("MANIFEST.json", make_json(manifest))


def _list_documents(store: Store, run: RunRow, home: Path, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what is made of the store and of this machine."""
    yield (
        "versions.json",
        find_versions() | {"python": platform.python_version(), "system": platform.platform()},
    )
    yield "config.json", run.config
    yield "history.json", make_history(store, run.run_id)
    config = folder / "config.toml"
    findings = examine(config if config.is_file() else None, home)
    yield "doctor.json", [asdict(finding) for finding in findings]


def _list_logs(folder: Path) -> Iterator[Path]:
    """Yield the coordinator's logs, those that should be there in any case."""
    for name in JSON_LOGS:
        yield from list_log_files(folder / name) or [folder / name]
    yield folder / "superlink.log"
    if (older := folder / "superlink.log.1").is_file():
        yield older


def _read_log(path: Path, home: Path) -> str:
    """Return the newest part of a log, scrubbed."""
    with path.open("rb") as file:
        num_left_out = max(0, path.stat().st_size - MAX_TEXT_BYTES)
        file.seek(num_left_out)
        text = file.read().decode(errors="replace")
    if num_left_out:  # a line that is cut could hide what it is from the search
        text = f"({num_left_out} bytes before this were left out)\n{text.partition(chr(10))[2]}"
    return scrub_lines(text, home) if ".jsonl" in path.suffixes else scrub(text, home)
