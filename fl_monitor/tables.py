"""The newest rows of whole tables, for the pages beside the run that goes on; read every other second."""

import math
import time
from collections.abc import Collection
from typing import Any

from fl_store.base import Store
from fl_store.rows import ComparisonRow, EventRow, LoginAttemptRow, SessionRow, UploadRow
from fl_store.run_rows import RunRequestRow, RunRow

READ_EVERY_S = 2.0

NEWEST: dict[type[Any], int] = {
    ComparisonRow: 1,
    EventRow: 200,
    LoginAttemptRow: 200,
    RunRequestRow: 50,
    RunRow: 500,
    SessionRow: 200,
    UploadRow: 200,
}
"""How many rows are read of a table that grows for ever; of others, all."""


class TableReader:
    """Reads tables when they are asked for, and not more often than is worth it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[type[Any], tuple[float, tuple[Any, ...]]] = {}

    def read(self, wanted: Collection[type[Any]]) -> dict[type[Any], tuple[Any, ...]]:
        """Return the newest rows of each table, oldest first; StoreError if one cannot be read."""
        now = time.monotonic()
        for row_type in wanted:
            read_at, before = self._read.get(row_type, (-math.inf, ()))
            if now - read_at >= READ_EVERY_S:
                found = tuple(self._store.get(row_type, newest=NEWEST.get(row_type)))
                self._read[row_type] = (now, before if found == before else found)
        return {row_type: self._read[row_type][1] for row_type in wanted}
