"""What the doctor looks at where rows are kept: the local store, Supabase, and the outbox between them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing

from fl_core.errors import ConfigError, StoreError
from fl_core.findings import Finding, Level, count_rows
from fl_store.audit import find_faults
from fl_store.connect import open_supabase
from fl_store.outbox import Backlog, Outbox
from fl_store.rows import AuditRow, UserRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.schema import SCHEMA_VERSION
from fl_store.sqlite import SqliteStore
from fl_store.supabase import APPLY, MAX_CLOCK_ERROR_S, Health, SupabaseStore, describe_clock

LONGEST_WAIT_S = 60.0


def look_at_store(store: SqliteStore) -> Iterator[Finding]:
    """Look at whether the local store is whole, can be written, and lets somebody in."""
    try:
        store.check()
        num_runs, num_users = len(store.get(RunRow)), len(store.get(UserRow))
        entries = store.get(AuditRow)
    except StoreError as error:
        yield unusable_store(error)
        return
    yield Finding("local store", Level.OK, f"{store.path} is whole: {num_runs} runs, {num_users} users.")
    if not num_users:
        advice = "fl-server users add NAME --role server"
        yield Finding("users", Level.WARNING, "Nobody can log in to the monitor.", advice)
    yield look_at_audit(entries)


def look_at_audit(entries: Sequence[AuditRow]) -> Finding:
    """Look at whether the audit log on this machine is as it was written."""
    subject, fault = "audit log", next(find_faults(entries), None)
    if fault:
        return Finding(
            subject, Level.FAULT, fault, "Find out who did that; all faults: fl-server audit verify"
        )
    return Finding(subject, Level.OK, f"{len(entries)} entries, each as it was written.")


def unusable_store(error: StoreError) -> Finding:
    """Say that the local store cannot be used."""
    return Finding(
        "local store", Level.FAULT, str(error), "Free or mend the file, or restore a backup of it."
    )


def look_at_supabase() -> Iterator[Finding]:
    """Look at whether Supabase is configured, can be reached, and is as we need it."""
    subject = "Supabase"
    try:
        project = open_supabase()
    except ConfigError as error:
        yield Finding(subject, Level.FAULT, str(error), "Correct it in the environment or in .env.")
        return
    if project is None:
        text = "Not configured: rows are kept in the local store only."
        yield Finding(subject, Level.OK, text, "To mirror them: SUPABASE_URL and SUPABASE_KEY in .env.")
        return
    with closing(project):
        yield from look_at_project(project)


def look_at_project(project: SupabaseStore) -> Iterator[Finding]:
    """Look at one Supabase project."""
    try:
        health = project.health()
    except StoreError as error:
        advice = "Check SUPABASE_URL, SUPABASE_KEY and the network; is the project paused?"
        yield Finding("Supabase", Level.FAULT, str(error), advice)
        return
    yield Finding("Supabase", Level.OK, f"{project.name} answers; the key is a secret one.")
    yield look_at_schema(health)
    yield look_at_rights(health)
    yield look_at_clock(health)


def look_at_schema(health: Health) -> Finding:
    """Compare the project's schema with the one that we know."""
    text = f"Version {health.schema_version}, this FedLuna needs version {SCHEMA_VERSION}."
    if health.schema_version == SCHEMA_VERSION:
        return Finding("schema", Level.OK, f"Version {SCHEMA_VERSION}, as needed.")
    is_newer = health.schema_version > SCHEMA_VERSION
    return Finding("schema", Level.FAULT, text, "Update FedLuna." if is_newer else APPLY)


def look_at_rights(health: Health) -> Finding:
    """Say which rights our key lacks."""
    if not health.missing_rights:
        return Finding("rights", Level.OK, "The key may read and write every table.")
    missing = ", ".join(health.missing_rights)
    advice = "Apply the newest supabase/migrations/*_rights.sql again."
    return Finding("rights", Level.FAULT, f"The key lacks rights: {missing}.", advice)


def look_at_clock(health: Health) -> Finding:
    """Compare this machine's clock with the project's."""
    if abs(health.clock_ahead_s) <= MAX_CLOCK_ERROR_S:
        return Finding("clock", Level.OK, f"{abs(health.clock_ahead_s):.1f} s from Supabase's.")
    text, _, advice = describe_clock(health.clock_ahead_s).rpartition("; ")
    return Finding("clock", Level.FAULT, f"{text}.", advice)


def look_at_outbox(outbox: Outbox) -> Iterator[Finding]:
    """Say what Supabase does not have yet, and what it refuses."""
    try:
        backlog = outbox.backlog()
    except StoreError as error:
        yield Finding("outbox", Level.FAULT, str(error), "Free or mend the file.")
        return
    yield _describe_waiting(backlog)
    for refusal in backlog.refusals:
        text = f"{count_rows(refusal.num_rows)} of {refusal.table} parked: {refusal.reason}"
        yield Finding("outbox", Level.FAULT, text, "Mend the reason, then: fl-server store sync")


def _describe_waiting(backlog: Backlog) -> Finding:
    if backlog.oldest_at is None:
        return Finding("outbox", Level.OK, "No row waits.")
    text = f"{count_rows(backlog.num_waiting)} waiting for Supabase"
    if not os.environ.get("SUPABASE_URL"):
        return Finding("outbox", Level.OK, f"{text}, should it be configured one day.")
    is_late = (utc_now() - backlog.oldest_at).total_seconds() > LONGEST_WAIT_S
    text = f"{text}, the oldest since {backlog.oldest_at:%Y-%m-%d %H:%M:%S} UTC."
    return (
        Finding("outbox", Level.WARNING, text, "fl-server store sync")
        if is_late
        else Finding("outbox", Level.OK, text)
    )
