"""The audit log: who did what, in entries of which each holds the hash of the one before.

An entry is the row itself, as it was when it was written, so nothing that is written is forgotten or told in
other words. Who changes, removes, reorders or inserts an entry breaks the chain at that place; who may write
the whole file can make the chain anew, and is found only by what others hold: the copy in Supabase, or a hash
that was noted before. See ``docs/decisions/0014-an-audit-log-in-a-chain.md``.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from typing import Any

from fl_store.rows import (
    AuditRow,
    EventRow,
    LoginAttemptRow,
    Row,
    SiteAccessRow,
    UserRow,
    utc_now,
)
from fl_store.schema import TABLES
from fl_store.wire import to_json

AUDITED: frozenset[type[Row]] = frozenset({EventRow, LoginAttemptRow, SiteAccessRow, UserRow})
"""The rows that tell who did what; an event tells of runs, refusals, downloads and what people did."""

SECRETS = frozenset({"password_hash"})
"""Columns of them that the log does not repeat."""

BEFORE_THE_FIRST = "0" * 64


def make_entry(row: Row, last: AuditRow | None) -> AuditRow:
    """Return the entry for a row, to follow the ``last`` one; without that, it begins a chain."""
    document = {name: value for name, value in to_json(row).items() if name not in SECRETS}
    entry = AuditRow(
        chain=last.chain if last else uuid.uuid4().hex,
        entry_no=last.entry_no + 1 if last else 1,
        table_name=TABLES[type(row)].name,
        document=_canonical(document),
        recorded_at=utc_now(),
        previous_hash=last.hash if last else BEFORE_THE_FIRST,
        hash="",
    )
    return _seal(entry)


def hash_entry(entry: AuditRow) -> str:
    """Return the sha256 over all of an entry but its own ``hash``, as 64 hexadecimal digits."""
    content = {name: value for name, value in to_json(entry).items() if name != "hash"}
    return sha256(_canonical(content).encode()).hexdigest()


def find_faults(entries: Iterable[AuditRow]) -> Iterator[str]:
    """Yield a sentence for each place where a chain is broken; none if all is as it was written."""
    in_order = sorted(entries, key=lambda entry: (entry.chain, entry.entry_no))
    for _chain, chained in groupby(in_order, key=lambda entry: entry.chain):
        yield from _find_breaks(chained)


def find_differences(here: Iterable[AuditRow], there: Iterable[AuditRow]) -> Iterator[str]:
    """Yield a sentence for each entry of our chains of which Supabase was given another, or we have none."""
    own = {(entry.chain, entry.entry_no): entry.hash for entry in here}
    chains = {chain for chain, _ in own}
    for entry in there:
        if entry.chain not in chains:
            continue
        known = own.get((entry.chain, entry.entry_no))
        if known is None:
            yield f"Entry {entry.entry_no} is in Supabase, but not here any more."
        elif known != entry.hash:
            yield (
                f"Entry {entry.entry_no} is not the one that Supabase was given: "
                "the log here was written anew, or is from a backup."
            )


def _find_breaks(chained: Iterable[AuditRow]) -> Iterator[str]:
    number, hash_before = 0, BEFORE_THE_FIRST
    for entry in chained:
        if entry.entry_no < 1:
            yield f"Entry {entry.entry_no} was inserted: the first has number 1."
            continue
        if entry.entry_no > number + 1:
            yield _describe_gap(number + 1, entry.entry_no - 1)
        if entry.hash != hash_entry(entry):
            yield f"Entry {entry.entry_no} was changed: its hash does not fit what it says."
        elif entry.entry_no == number + 1 and entry.previous_hash != hash_before:
            yield f"Entry {entry.entry_no} does not follow entry {number}: one of them was put there later."
        number, hash_before = entry.entry_no, entry.hash


def _describe_gap(first: int, last: int) -> str:
    return f"Entry {first} is missing." if first == last else f"Entries {first} to {last} are missing."


def _seal(entry: AuditRow) -> AuditRow:
    return replace(entry, hash=hash_entry(entry))


def _canonical(content: dict[str, Any]) -> str:
    """Return the one spelling of a JSON object that a hash is made of: keys in order, no blanks, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
