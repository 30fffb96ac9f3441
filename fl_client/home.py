"""A site's own folder on its machine: one process at a time, and a word that tells it from its namesakes."""

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fl_core.errors import TaskDeclinedError, UsageError
from luna16.config import DataConfig
from luna16.whole_files import remove_partials, write_whole

logger = logging.getLogger(__name__)

ROUNDS_FILE = "rounds.json"


class SiteHome:
    """The folder ``<home>/sites/<site>``, held by one process as long as that lives."""

    def __init__(self, folder: Path, site: str) -> None:
        """Make and hold the folder; UsageError if it cannot be used or this site runs here already."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock", site)
            remove_partials(folder)
        except OSError as error:
            raise UsageError(
                f"Cannot use the folder {folder}: {error.strerror}. "
                "Set FEDLUNA_HOME to one that can be written."
            ) from error

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    @property
    def log(self) -> Path:
        """Where ``fl-client`` writes what happens."""
        return self.folder / "fl-client.jsonl"

    @property
    def cache_folder(self) -> Path:
        """Where the cut patches are kept."""
        return self.folder / "patches"

    def instance(self) -> str:
        """Return the random word of this installation, made at the first call and kept for good.

        It lets the coordinator tell a site that comes back from another one of the same name.

        Raises UsageError if it can be neither read nor written.
        """
        path = self.folder / "instance"
        try:
            if not path.exists():
                write_whole(path, secrets.token_hex(16), mode=0o600)
            return path.read_text()
        except OSError as error:
            raise UsageError(
                f"Cannot keep {path}: {error.strerror}. Make room there, or set FEDLUNA_HOME to another disk."
            ) from error

    def rounds_begun_at(self) -> list[datetime]:
        """Return when the site began the rounds of the last day; TaskDeclinedError if that cannot be told."""
        path = self.folder / ROUNDS_FILE
        try:
            return [datetime.fromisoformat(time).astimezone(UTC) for time in json.loads(path.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            logger.error("%s is damaged. Remove it to count rounds anew.", path)  # noqa: TRY400 - one line
            raise TaskDeclinedError("The site cannot tell how many rounds it did today.") from error

    def keep_rounds_begun_at(self, times: Sequence[datetime]) -> None:
        """Remember when the site began the rounds of the last day; TaskDeclinedError if that cannot be."""
        path = self.folder / ROUNDS_FILE
        try:
            write_whole(path, json.dumps([time.isoformat() for time in times]))
        except OSError as error:
            logger.error("Cannot write %s: %s. Make room on its disk.", path, error.strerror)  # noqa: TRY400
            raise TaskDeclinedError("The site cannot keep count of its rounds of today.") from error

    def last_data_config(self) -> DataConfig:
        """Return how patches were cut for the latest run, or the default if that is not known."""
        path = self.folder / "data.json"
        try:
            return DataConfig.model_validate_json(path.read_text()) if path.exists() else DataConfig()
        except ValueError:
            logger.warning("%s cannot be read; the default is used until a run says more.", path)
            return DataConfig()

    def keep_data_config(self, config: DataConfig) -> None:
        """Remember how patches are cut, so that the next start finds them ready."""
        path = self.folder / "data.json"
        try:
            write_whole(path, config.model_dump_json())
        except OSError as error:
            logger.warning(
                "Cannot write %s: %s. The next start may cut other patches first.", path, error.strerror
            )


def _lock(path: Path, site: str) -> int:
    """Return the open file that is locked as long as it is open; it holds the number of this process."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, mode=0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(lock, 20).decode()
        os.close(lock)
        raise UsageError(f"Site '{site}' runs on this machine already (process {holder}).") from error
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock
