"""Open the store that the environment names."""

from pathlib import Path

from fl_store.base import Store
from fl_store.sqlite import FILE_NAME, SqliteStore


def open_store(home: Path) -> Store:
    """Open the store of the coordinator whose folder is ``home``, making it if it is new.

    Raises StoreError if it cannot be used.
    """
    return SqliteStore(home / FILE_NAME)
