"""The store in a Supabase project, through its Data API; the only file that knows the ``supabase`` library.

A row that a replay brings again changes nothing: what an upsert must not undo, triggers in the project's
own schema (``supabase/migrations``) hold.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from postgrest import CountMethod, ReturnMethod
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from fl_core.errors import RowRefusedError, StoreError, StoreUnavailableError, TableRefusedError
from fl_store.base import RowT
from fl_store.rows import Row, utc_now
from fl_store.schema import NEVER_CHANGED, ORDERED_BY, ROW_TYPES, SCHEMA_VERSION, TABLES
from fl_store.supabase_settings import SupabaseSettings
from fl_store.wire import from_json, to_json, to_plain

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
MAX_CLOCK_ERROR_S = 5.0
PAGE_ROWS = 1000
"""What a project answers at most unless its settings say otherwise; any other number works too."""

ROW_FAULTS = ("21", "22", "23", "54", "P0", "PGRST102")
"""Beginnings of codes for a value that cannot be kept."""
TABLE_FAULTS = ("42", "PGRST1", "PGRST2")
"""Beginnings of codes for a right, a table or a column that is missing."""
NO_FUNCTION = ("PGRST202", "42883")
APPLY = "Apply the files of supabase/migrations to it, in order: docs/operate.md says how."


@dataclass(frozen=True)
class Health:
    """What a project says of itself; ``clock_ahead_s`` is its clock beside ours."""

    schema_version: int
    clock_ahead_s: float
    missing_rights: tuple[str, ...]


class SupabaseStore:
    """A ``Store`` in the tables of one Supabase project."""

    def __init__(self, settings: SupabaseSettings) -> None:
        """Make the client; nothing is sent before the first call."""
        self.name = urlsplit(settings.url).netloc
        # HTTP/2, the library's default, is not safe across threads.
        self._http = httpx.Client(http2=False, timeout=TIMEOUT)
        options = ClientOptions(
            httpx_client=self._http,
            postgrest_client_retry=False,
            auto_refresh_token=False,
            persist_session=False,
        )
        self._client: Client = create_client(settings.url, settings.key, options)
        self._is_checked = False

    def put(self, rows: Sequence[Row]) -> None:
        """Keep rows, all of one table in one request; all are checked before the first is sent."""
        self._check_schema()
        batches = [(row_type, [to_json(row) for row in same]) for row_type, same in groupby(rows, type)]
        for row_type, values in batches:
            table = TABLES[row_type]
            keys = [column.name for column in table.primary_key]
            for wave in _waves(values, keys):
                upsert = self._client.table(table.name).upsert(
                    wave,
                    on_conflict=",".join(keys),
                    returning=ReturnMethod.minimal,
                    ignore_duplicates=row_type in NEVER_CHANGED,  # no right to update is needed then
                )
                if self._ask(upsert).data:  # a proxy's page, say: Supabase answers nothing here
                    raise self._no_data_api()

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        """Return the rows whose columns equal ``where``, oldest first; ``newest`` keeps the last n."""
        self._check_schema()
        table = TABLES[row_type]
        keys = [column.name for column in table.primary_key]
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        try:
            # Rows that came meanwhile shift others, so that some are read twice.
            for values in self._pages(table, newest, where):
                found[tuple(values[key] for key in keys)] = values
            rows = [from_json(row_type, values) for values in found.values()]
        except ValueError as error:
            raise StoreError(f"Supabase at {self.name}, table {table.name}: {error}.") from error
        except (TypeError, KeyError) as error:
            raise self._no_data_api() from error
        order = [ORDERED_BY[row_type], *keys]
        return sorted(rows, key=lambda row: [getattr(row, name) for name in order])

    def health(self) -> Health:
        """Return what the project says of itself; StoreUnavailableError if it has no schema of ours."""
        asked_at = utc_now()
        try:
            answer: Any = self._ask(self._client.rpc("fedluna_health", {})).data
            now = datetime.fromisoformat(answer["now"])
            rights = tuple(answer["missing_rights"])
            ahead = now - (asked_at + (utc_now() - asked_at) / 2)
            return Health(int(answer["schema_version"]), ahead.total_seconds(), rights)
        except TableRefusedError as error:
            raise StoreUnavailableError(f"{error} {APPLY}") from error
        except (TypeError, KeyError, ValueError) as error:
            raise self._no_data_api() from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _check_schema(self) -> None:
        """Raise StoreUnavailableError, saying what to do, unless the project has our schema."""
        if self._is_checked:
            return
        health = self.health()
        if health.schema_version != SCHEMA_VERSION:
            is_newer = health.schema_version > SCHEMA_VERSION
            raise StoreUnavailableError(
                f"Supabase at {self.name} has schema {health.schema_version}, this FedLuna needs schema "
                f"{SCHEMA_VERSION}. {'Update FedLuna.' if is_newer else APPLY}"
            )
        if abs(health.clock_ahead_s) > MAX_CLOCK_ERROR_S:
            logger.warning("%s", describe_clock(health.clock_ahead_s))
        self._is_checked = True

    def _pages(
        self, table: sa.Table, newest: int | None, where: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield rows newest first, page by page, as many as there are or as are wanted."""
        num_read, num_wanted = 0, newest if newest is not None else sys.maxsize
        while num_read < num_wanted:
            last = min(num_read + PAGE_ROWS, num_wanted) - 1
            answer = self._ask(self._select(table, where).range(num_read, last))
            yield from answer.data
            num_read += len(answer.data)
            num_wanted = min(num_wanted, answer.count or 0) if answer.data else 0

    def _select(self, table: sa.Table, where: Mapping[str, Any]) -> Any:
        query = self._client.table(table.name).select("*", count=CountMethod.exact)
        for name, value in where.items():
            plain = None if value is None else to_plain(table.c[name], value)
            query = query.is_(name, "null") if plain is None else query.eq(name, plain)
        for column in (table.c[ORDERED_BY[ROW_TYPES[table.name]]], *table.primary_key):
            query = query.order(column.name, desc=True)
        return query

    def _ask(self, query: Any) -> Any:
        """Send a request; what goes wrong is the StoreError that says whether to try the same again."""
        try:
            return query.execute()
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):  # it may come back another
                self._is_checked = False
            raise StoreUnavailableError(
                f"Supabase at {self.name} does not answer ({type(error).__name__})."
            ) from error
        except APIError as error:
            raise self._explain(error) from error

    def _explain(self, error: APIError) -> StoreError:
        code, message = str(error.code or ""), (error.message or "").strip().rstrip(".")
        place = f"Supabase at {self.name}"
        is_lites = code == "SUP" and message.startswith("PostgresError")  # @supabase/lite has but this code
        if code in NO_FUNCTION:
            self._is_checked = False
            return StoreUnavailableError(f"{place} has no schema of FedLuna. {APPLY}")
        if code.startswith(ROW_FAULTS) or is_lites:
            return RowRefusedError(f"{place} refuses a row ({code}): {message}.")
        if code.startswith(TABLE_FAULTS):
            return TableRefusedError(f"{place} refuses a table ({code}): {message}.")
        self._is_checked = False
        if not code and "key" in message.lower():
            return StoreUnavailableError(f"{place} refuses SUPABASE_KEY: {message}.")
        return StoreUnavailableError(f"{place} cannot serve the request ({code or 'no code'}): {message}.")

    def _no_data_api(self) -> StoreUnavailableError:
        self._is_checked = False
        return StoreUnavailableError(f"What answers at {self.name} is no Data API of Supabase.")


def describe_clock(ahead_s: float) -> str:
    """Say by how much the project's clock differs from this machine's."""
    side = "behind" if ahead_s > 0 else "ahead of"
    return (
        f"This machine's clock is {abs(ahead_s):.0f} s {side} Supabase's; the times of rows are this "
        "machine's. Set the clock (NTP)."
    )


def _waves(values: list[dict[str, Any]], keys: list[str]) -> list[list[dict[str, Any]]]:
    """Split rows so that no key comes twice in one statement, which Postgres refuses; order stays."""
    waves: list[list[dict[str, Any]]] = []
    seen: Counter[tuple[Any, ...]] = Counter()
    for row in values:
        key = tuple(row[name] for name in keys)
        if seen[key] == len(waves):
            waves.append([])
        waves[seen[key]].append(row)
        seen[key] += 1
    return waves
