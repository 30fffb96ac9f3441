"""``fl-server comparisons``: what ``luna16 compare`` found, kept for the monitor."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from fl_core.config import home_folder
from fl_server.comparison_file import read_comparison
from fl_server.export import make_json
from fl_store.connect import open_store
from fl_store.rows import ComparisonRow
from fl_store.wire import to_json

SHOWN_LETTERS_OF_ID = 12

comparisons = typer.Typer(help="What `luna16 compare` found, for the monitor.", no_args_is_help=True)


@comparisons.command("add")
def add_comparison(
    file: Annotated[Path, typer.Argument(help="The comparison.json in the folder of luna16 compare.")],
) -> None:
    """Keep a comparison, so that the monitor shows to each site whether it gains."""
    row = read_comparison(file)
    with closing(open_store(home_folder())) as store:
        is_known = bool(store.get(ComparisonRow, comparison_id=row.comparison_id))
        if not is_known:
            store.put([row])
    told = "is there already" if is_known else "is kept"
    typer.echo(f"Comparison {row.comparison_id[:SHOWN_LETTERS_OF_ID]} {told}: {_describe_gains(row)}.")


@comparisons.command("list")
def list_comparisons(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show all comparisons, the one that was added last is the last."""
    with closing(open_store(home_folder())) as store:
        found = store.get(ComparisonRow)
    if as_json:
        typer.echo(make_json([to_json(row) for row in found]), nl=False)
    elif found:
        Console(markup=False, emoji=False, highlight=False).print(_table_of(found))
    else:
        typer.echo(f"No comparison yet in {home_folder()}. Add one: fl-server comparisons add FILE")


def _table_of(found: list[ComparisonRow]) -> Table:
    columns = ("comparison", "added UTC", "test scans", "seeds", "sites")
    table = Table(*(Column(title, overflow="fold") for title in columns))
    for row in found:
        counts = (str(row.document[name]) for name in ("num_scans", "num_seeds"))
        added = f"{row.added_at:%Y-%m-%d %H:%M}"
        table.add_row(row.comparison_id[:SHOWN_LETTERS_OF_ID], added, *counts, _describe_gains(row))
    return table


def _describe_gains(row: ComparisonRow) -> str:
    return ", ".join(f"{gain['site']}: {gain['verdict']}" for gain in row.document["gains"])
