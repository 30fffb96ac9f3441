"""``fl-server store``: give Supabase by hand what it does not have yet."""

from contextlib import closing

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fl_core.config import home_folder
from fl_core.errors import ConfigError, StoreError
from fl_core.findings import count_rows
from fl_store.carrier import Carrier
from fl_store.connect import open_existing_store, open_supabase

app = typer.Typer(help="The rows of all runs, here and in Supabase.")


@app.callback()
def store() -> None:
    """Let typer know that ``sync`` is a command of its own."""


@app.command()
def sync() -> None:
    """Carry every row that Supabase lacks, also those that it refused before."""
    remote = open_supabase()
    if remote is None:
        raise ConfigError("Supabase is not configured. Set SUPABASE_URL and SUPABASE_KEY, such as in .env.")
    with closing(remote), closing(open_existing_store(home_folder())) as local:
        carrier = Carrier(local, remote)
        num_carried = carry_with_progress(carrier)
        backlog = carrier.outbox.backlog()
    if backlog.num_parked:
        first = backlog.refusals[0]
        raise StoreError(
            f"Of {count_rows(num_carried)} Supabase refuses {backlog.num_parked}. "
            f"The first of {first.table}: {first.reason} `fl-server doctor` shows all."
        )
    typer.echo(f"{count_rows(num_carried)} carried; Supabase at {remote.name} has everything.")


def carry_with_progress(carrier: Carrier) -> int:
    """Carry everything and return how many rows that was; on a terminal, with a progress bar."""
    columns = (TextColumn("Rows carried"), BarColumn(), MofNCompleteColumn())
    backlog = carrier.outbox.backlog()
    num_carried = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=backlog.num_waiting + backlog.num_parked)
        for num_rows in carrier.carry_all():
            num_carried += num_rows
            progress.update(task, completed=num_carried)
    return num_carried
