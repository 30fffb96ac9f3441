"""The contract of a metrics store: put rows, get them back in order."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from fl_store.rows import Row

RowT = TypeVar("RowT")


class Store(Protocol):
    """Keeps rows; every store passes the same contract tests.

    A row with a known key replaces the one before, so that a replay changes nothing; events are
    never changed, and presence never moves back in time. All methods may be called from any thread
    and raise ``StoreError`` when the store cannot be reached.
    """

    def put(self, rows: Sequence[Row]) -> None:
        """Keep all rows or none; they are safe on disk when this returns."""

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows whose columns equal ``where``, oldest first; ``newest`` keeps the last n."""

    def close(self) -> None:
        """Give back files and connections."""
