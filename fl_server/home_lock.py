"""One coordinator at a time in one home folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fl_core.disk import find_write_fault
from fl_core.errors import DiskError, UsageError
from fl_core.locks import try_lock

LOCK_NAME = "coordinator.lock"


@contextlib.contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Keep other coordinators out of this folder; UsageError if one is there, or it cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / LOCK_NAME).touch()
    except OSError as error:
        raise UsageError(
            f"Cannot write to {home}: {error.strerror}. Set FEDLUNA_HOME to another folder."
        ) from error
    if fault := find_write_fault(home):
        raise DiskError(fault)
    with try_lock(home / LOCK_NAME) as is_ours:
        if not is_ours:
            raise UsageError(
                f"Another fl-server conducts a run with the folder {home}. "
                "Wait until it is done, or set FEDLUNA_HOME to another folder."
            )
        yield


def is_home_held(home: Path) -> bool:
    """Say whether a coordinator conducts a run with this folder."""
    if not (home / LOCK_NAME).is_file():
        return False
    with try_lock(home / LOCK_NAME) as is_ours:
        return not is_ours
