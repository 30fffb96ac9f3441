"""A site's own folder on its machine: one process at a time, and a word that tells it from its namesakes."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from fl_core.errors import UsageError
from luna16.config import DataConfig


class SiteHome:
    """The folder ``<home>/sites/<site>``, held by one process as long as that lives."""

    def __init__(self, folder: Path, site: str) -> None:
        """Make and hold the folder; UsageError if this site runs here already."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder / "lock", site)

    @property
    def cache_folder(self) -> Path:
        """Where the cut patches are kept."""
        return self.folder / "patches"

    def instance(self) -> str:
        """Return the random word of this installation, made at the first call and kept for good.

        It lets the coordinator tell a site that comes back from another one of the same name.
        """
        path = self.folder / "instance"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16))
        return path.read_text().strip()

    def last_data_config(self) -> DataConfig:
        """Return how patches were cut for the latest run, or the default before the first."""
        path = self.folder / "data.json"
        return DataConfig.model_validate_json(path.read_text()) if path.exists() else DataConfig()

    def keep_data_config(self, config: DataConfig) -> None:
        """Remember how patches are cut, so that the next start finds them ready."""
        partial = self.folder / "data.json.partial"
        partial.write_text(config.model_dump_json())
        partial.replace(self.folder / "data.json")


def _lock(path: Path, site: str) -> IO[str]:
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise UsageError(f"Site '{site}' runs on this machine already (process {lock.read()}).") from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
