"""``fl-server report``: what came of a run, as a page to read or as a bundle to find out what went wrong."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fl_core.config import home_folder
from fl_server.run_report import write_report
from fl_server.runs_cli import KnownRun, choose_path, find_run
from fl_store.connect import open_existing_store


def report(
    run: KnownRun,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="A zip of logs, versions, configuration, events and timings.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The file. (default: RUN.html, or RUN-bundle.zip)")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Write the report of a run, or with --bundle its post-mortem, whole or not at all.

    RUN is its id, the beginning of it that no other has, or 'last'; it may go on, or have failed.

    The bundle holds no UID, path, file name of a scan or secret. It names the sites.
    """
    from fl_server.post_mortem import write_post_mortem

    home = home_folder()
    with closing(open_existing_store(home)) as store:
        found = find_run(store, run)
        default = f"{found.run_id}-bundle.zip" if bundle else f"{found.run_id}.html"
        path = choose_path(out or Path(default), may_replace=force)
        if bundle:
            write_post_mortem(path, store, found, home)
        else:
            write_report(found.run_id, home, path)
    typer.echo(path)
