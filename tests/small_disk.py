"""Disks that are full or read-only: real ones where a test may mount, and a stand-in that is there always."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@contextlib.contextmanager
def no_file_above(num_bytes: int) -> Iterator[None]:
    """Let no file of this process grow above a size: it fails in the middle of a write, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few megabytes in memory."""

    folder: Path

    @classmethod
    @contextlib.contextmanager
    def mounted(cls, folder: Path, *, megabytes: int) -> Iterator["SmallDisk"]:
        """Mount it on a new folder; where that may not be, skip the test, or fail it as ``require`` does."""
        folder.mkdir()
        options = f"size={megabytes}m"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"no disk can be mounted, which only root may: {done.stderr.strip()}"
            (pytest.fail if os.environ.get("FEDLUNA_REQUIRE_ALL") == "1" else pytest.skip)(message)
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no byte free."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def make_room(self) -> None:
        """Free what ``fill`` has taken."""
        self._ballast.unlink()

    def set_read_only(self, *, is_on: bool) -> None:
        """Allow no write, or allow it again."""
        option = "remount,ro" if is_on else "remount,rw"
        subprocess.run(["mount", "-o", option, str(self.folder)], check=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"
