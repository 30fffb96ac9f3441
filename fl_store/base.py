"""The contract of a metrics store: put rows, get them back in order."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from fl_store.rows import Row

RowT = TypeVar("RowT")


class Store(Protocol):
    """Keeps rows; every store passes the same contract tests.

    A row with a known key replaces the one before, so that a replay changes nothing; but an event is never
    changed, a session that ended stays ended, a site was first seen when it was, and neither presence nor an
    account moves back in time.

    All methods may be called from any thread. They raise StoreUnavailableError if the store cannot be used
    at present, and RowRefusedError for a row that it can never keep as it is.
    """

    def put(self, rows: Sequence[Row]) -> None:
        """Keep all rows or none; they are safe on disk when this returns.

        Over a network the rows of some tables may be kept when StoreUnavailableError is raised: put all
        again, which changes nothing in those that are.
        """

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows whose columns equal ``where``, oldest first; ``newest`` keeps the last n."""

    def close(self) -> None:
        """Give back files and connections."""
