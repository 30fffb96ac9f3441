"""Open the store that the environment names: embedded, and mirrored to Supabase if that is configured."""

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fl_core.errors import ConfigError, StoreError, UsageError
from fl_store.base import Store
from fl_store.sqlite import FILE_NAME, SqliteStore
from fl_store.supabase_settings import SupabaseSettings

if TYPE_CHECKING:
    from fl_store.supabase import SupabaseStore

logger = logging.getLogger(__name__)


def open_store(home: Path, *, copies_changes: bool = False) -> Store:
    """Open the store of the coordinator whose folder is ``home``, making it if it is new.

    With ``copies_changes`` accounts and sites' access that have changed in Supabase are taken over first, if
    it answers. Raises StoreError if the store cannot be used. What is wrong with Supabase is a warning: rows
    wait for it.
    """
    local, remote = open_local_store(home), _supabase_or_warning()
    if remote is None:
        return local
    from fl_store.mirrored import MirroredStore, copy_logins, copy_requests

    if copies_changes:
        with contextlib.suppress(StoreError):  # the carrier tells it
            copy_logins(local, remote)
            copy_requests(local, remote)
    return MirroredStore(local, remote)


def open_coordinator_store(home: Path) -> Store:
    """Open the store of a coordinator that conducts a run, and so obeys what is asked in Supabase."""
    local, remote = open_local_store(home), _supabase_or_warning()
    if remote is None:
        return local
    from fl_store.mirrored import CoordinatorStore

    return CoordinatorStore(local, remote)


def open_monitor_store(home: Path) -> Store:
    """Open the store of a monitor: it may run beside the coordinator, or elsewhere with Supabase's keys."""
    local, remote = open_local_store(home), _supabase_or_warning()
    if remote is None:
        return local
    from fl_store.mirrored import MonitorStore

    return MonitorStore(local, remote)


def open_local_store(home: Path) -> SqliteStore:
    """Open the embedded store alone, for a process beside one that carries its rows."""
    return SqliteStore(home / FILE_NAME)


def open_existing_store(home: Path) -> SqliteStore:
    """Open the embedded store alone; UsageError where there is none, as a look should not make one."""
    try:
        is_there = (home / FILE_NAME).is_file()
    except OSError as error:
        raise UsageError(f"Cannot read {home}: {error.strerror}.") from error
    if not is_there:
        raise UsageError(
            f"{home} holds no store ({FILE_NAME}). Set FEDLUNA_HOME to the coordinator's folder."
        )
    return open_local_store(home)


def open_supabase() -> "SupabaseStore | None":
    """Return the store in Supabase, or None if it is not configured; ConfigError if it is so wrongly."""
    settings = SupabaseSettings.read(os.environ)
    if settings is None:
        return None
    from fl_store.supabase import SupabaseStore

    return SupabaseStore(settings)


def _supabase_or_warning() -> "SupabaseStore | None":
    try:
        return open_supabase()
    except ConfigError as error:
        logger.warning("%s Until then rows are kept here only; nothing is lost.", error)
        return None
