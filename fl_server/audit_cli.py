"""``fl-server audit``: who did what, and whether the log of it is as it was written."""

from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from fl_core.config import home_folder
from fl_core.errors import StoreError
from fl_server.audit_words import read_deed
from fl_server.export import make_json
from fl_store.audit import find_differences, find_faults
from fl_store.connect import open_existing_store, open_supabase
from fl_store.rows import AuditRow
from fl_store.wire import to_json

audit = typer.Typer(help="Who did what, and whether the log of it is whole.", no_args_is_help=True)


@audit.command("list")
def list_entries(
    newest: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show the newest entries of the log on this machine, the newest last."""
    entries = _read_entries(newest)
    if as_json:
        typer.echo(make_json([to_json(entry) for entry in entries]), nl=False)
    elif entries:
        Console(markup=False, emoji=False, highlight=False).print(_table_of(entries))
    else:
        typer.echo(f"No entry yet in {home_folder()}.")


@audit.command("verify")
def verify_log(
    known: Annotated[
        str | None, typer.Option(metavar="HASH", help="A hash that an earlier verify printed.")
    ] = None,
) -> None:
    """Read the whole log, also what Supabase has of it; exit code 1 if an entry is not as it was written.

    With --known the entry that had this hash must still be there, so that nobody has made the log anew.
    """
    entries, there = _read_entries(), _read_supabase()
    faults = list(find_faults(entries))
    if there is not None:
        faults += [f"In Supabase: {fault}" for fault in find_faults(there)]
        faults += find_differences(entries, there)
    if known and known not in {entry.hash for entry in entries}:
        faults.append(
            f"No entry has the hash {known[:64]}: the log was made anew or cut off after it was noted."
        )
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise StoreError(f"The audit log in {home_folder()} is not as it was written.")
    typer.echo(_describe_whole(entries, there))


def _read_entries(newest: int | None = None) -> list[AuditRow]:
    with closing(open_existing_store(home_folder())) as store:
        return store.get(AuditRow, newest=newest)


def _read_supabase() -> list[AuditRow] | None:
    """Return what Supabase has of all logs, or None if it is not configured."""
    remote = open_supabase()
    if remote is None:
        return None
    with closing(remote):
        return remote.get(AuditRow)


def _describe_whole(entries: list[AuditRow], there: list[AuditRow] | None) -> str:
    lines = [f"No entry yet in {home_folder()}."]
    if entries:
        where = "" if there is None else ", here and in Supabase"
        lines = [
            f"{len(entries)} entries, each as it was written{where}. The last is number {len(entries)}.",
            f"Note its hash elsewhere, for `fl-server audit verify --known`: {entries[-1].hash}",
        ]
    others = {entry.chain for entry in there or ()} - {entry.chain for entry in entries}
    if others:
        lines.append(
            f"Supabase has {len(others)} other logs, each whole: of monitors elsewhere, "
            "or one that was removed here."
        )
    return "\n".join(lines)


def _table_of(entries: list[AuditRow]) -> Table:
    columns = ("no.", "time UTC", "who", "kind", "what")
    table = Table(*(Column(title, overflow="fold") for title in columns))
    for entry in entries:
        deed = read_deed(entry)
        when = f"{entry.recorded_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(entry.entry_no), when, deed.who, deed.kind, deed.text)
    return table
