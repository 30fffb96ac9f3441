"""The scans on disk: one private folder each, with what is known of it beside its files.

``<home>/scans/<upload_id>/`` holds ``upload.json`` (the truth about the upload), ``scan/`` (what was sent,
until it has been searched), ``model.safetensors``, ``view/`` (the voxels to look at), ``out/`` (results).
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fl_core.locks import hold_lock
from fl_monitor.scan_plan import Plan
from fl_store.rows import UploadRow
from luna16.whole_files import write_whole

ID_PATTERN = re.compile(r"[0-9a-f]{32}")
ABOUT = "upload.json"
LOOKED = "looked"
GONE = "gone-"
VOLUME = Path("view", "volume.i16")


@dataclass(frozen=True)
class Upload:
    """A scan of a user: its row, its files, the model to search it with, and how often that was begun."""

    row: UploadRow
    plan: Plan
    fingerprint: str
    model: str
    num_tries: int = 0

    @property
    def upload_id(self) -> str:
        """The name of its folder."""
        return self.row.upload_id


_UPLOAD = TypeAdapter(Upload)


class ScanFolder:
    """The folder with all scans; what is written is written for its owner's eyes alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock under which states change, in this process and others."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return hold_lock(self.root / "lock")

    def path_of(self, upload_id: str) -> Path:
        """Return the folder of an upload whose id is one of ours."""
        return self.root / upload_id

    def create(self, upload: Upload) -> None:
        """Make the folder of a new upload."""
        folder = self.path_of(upload.upload_id)
        folder.mkdir(mode=0o700)
        (folder / "scan").mkdir(mode=0o700)
        self.write(upload)

    def write(self, upload: Upload) -> None:
        """Keep what is known of an upload, whole or not at all."""
        write_whole(self.path_of(upload.upload_id) / ABOUT, _UPLOAD.dump_json(upload))

    def read(self, upload_id: str) -> Upload | None:
        """Return what is known of an upload; None if the id is none of ours or nothing is there."""
        if not ID_PATTERN.fullmatch(upload_id):
            return None
        try:
            return _UPLOAD.validate_json((self.path_of(upload_id) / ABOUT).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None

    def list_uploads(self) -> list[Upload]:
        """Return all uploads, oldest first."""
        found = [self.read(path.name) for path in self._folders()]
        return sorted((upload for upload in found if upload), key=lambda upload: upload.row.started_at)

    def list_strays(self) -> list[Path]:
        """Return folders of which nothing is known, such as a crash leaves behind."""
        unknown = [path for path in self._folders() if self.read(path.name) is None]
        return [*unknown, *self.root.glob(f"{GONE}*")]

    def _folders(self) -> Iterator[Path]:
        if self.root.is_dir():
            yield from (path for path in self.root.iterdir() if ID_PATTERN.fullmatch(path.name))

    def num_received(self, upload: Upload) -> int:
        """Return how many bytes of the stream are on disk, up to the first that is missing."""
        total = 0
        for file in upload.plan.files:
            num_bytes = _size_of(self.path_of(upload.upload_id) / "scan" / file.name)
            total += num_bytes
            if num_bytes < file.num_bytes:
                break
        return total

    def append(self, upload: Upload, data: bytes, offset: int) -> None:
        """Write the next bytes of the stream, which may be of several files; OSError if there is no room."""
        for file in upload.plan.files:
            if offset >= file.num_bytes:
                offset -= file.num_bytes
                continue
            if not data:
                return
            part, data = data[: file.num_bytes - offset], data[file.num_bytes - offset :]
            with (self.path_of(upload.upload_id) / "scan" / file.name).open("ab") as out:
                out.write(part)
            offset = 0

    def look_at(self, upload: Upload, now: datetime) -> None:
        """Note that its owner looks at a scan now."""
        path = self.path_of(upload.upload_id) / LOOKED
        path.touch()
        os.utime(path, (now.timestamp(), now.timestamp()))

    def used_at(self, upload: Upload) -> datetime:
        """Return when an upload last changed or was looked at."""
        try:
            seconds = (self.path_of(upload.upload_id) / LOOKED).stat().st_mtime
        except FileNotFoundError:
            return upload.row.changed_at
        return max(upload.row.changed_at, datetime.fromtimestamp(seconds, UTC))

    def used_bytes(self) -> int:
        """Return how much all scans take, with what is still to come of those that are being sent."""
        on_disk = sum(_size_of(path) for path in self.root.rglob("*") if path.is_file())
        return on_disk + sum(
            upload.plan.num_bytes - self.num_received(upload) for upload in self.list_uploads()
        )

    def drop(self, upload_id: str, name: str) -> None:
        """Remove one part of an upload's folder, if it is there; OSError if the system does not let us."""
        path = self.path_of(upload_id) / name
        if path.exists():
            shutil.rmtree(path)

    def remove(self, upload_id: str) -> None:
        """Remove an upload's folder with all that is in it; OSError if the system does not let us.

        It gets another name first: a search that still goes on finds nothing to write to.
        """
        gone = self.root / f"{GONE}{upload_id}"
        self.path_of(upload_id).rename(gone)
        shutil.rmtree(gone)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
