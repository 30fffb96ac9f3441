"""From a configuration to a finished run: starts Flower's processes, shows the run, ends what was started."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import tomli_w
from rich.console import Console
from rich.live import Live

from fl_core.config import RunConfig
from fl_core.disk import LITTLE, explain_disk, find_write_fault
from fl_core.errors import DiskError, FedLunaError, RunFailedError, StoreError, StoreUnavailableError
from fl_core.logs import kept_log
from fl_server.bundle import build_bundle
from fl_server.credentials import Credentials
from fl_server.doorkeeper import Doorkeeper
from fl_server.end_tables import draw_end
from fl_server.progress_table import RunView, draw_run
from fl_server.resumption import Plan, close_parts, reopen
from fl_server.run_lines import RunLines
from fl_server.run_report import write_report
from fl_server.start_checks import check_layers, open_credentials
from fl_server.superlink import SuperLink, SuperLinkEndedError
from fl_store.base import Store
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RoundRow, RunRow
from fl_store.words import RunState
from luna16.whole_files import remove_partials, write_whole

logger = logging.getLogger(__name__)

REFRESH_S = 0.5
OnLook = Callable[[], None]
MAX_RESTARTS = 3
"""In a row, without a round that was finished between them."""
RESTARTED = "A process of the coordinator ended unasked. It is started again; superlink.log may say why."
ENDED_UNASKED = "The ServerApp ended unasked; server.jsonl and superlink.log say why."
LOG_NAME = "fl-server.jsonl"


def launch_run(plan: Plan, home: Path, store: Store, console: Console) -> RunRow:
    """Conduct one run to its end, or until somebody asks for it to be stopped, and return its last row.

    What ends unasked is started again. Everything that was started is ended, also on an error and on Ctrl-C.
    Raises AddressInUseError if a port is taken, KeyFileError if there are no certificates, ConfigError if the
    configuration asks for what is not there, DiskError if the run's folder cannot be written to, and
    RunFailedError if the run failed.
    """
    check_layers(plan.config)
    credentials = open_credentials(plan.config, home)
    run = plan.run or _make_run(plan.config)
    log = home / "runs" / run.run_id / LOG_NAME
    with kept_log(log, process="fl-server", run=run.run_id):
        return _conduct_to_the_end(plan.config, run, home, store, console, credentials)


def _conduct_to_the_end(
    config: RunConfig,
    run: RunRow,
    home: Path,
    store: Store,
    console: Console,
    credentials: Credentials | None,
) -> RunRow:
    """Conduct a run, and close in the store what is left open whichever way it ends."""
    folder = home / "runs" / run.run_id
    try:
        _conduct(config, run, home, store, console, credentials)
    except KeyboardInterrupt:
        _close(store, run.run_id, RunState.STOPPED, "Stopped at the coordinator's terminal.")
        raise
    except OSError as error:
        reason = _explain(error, folder)
        _close(store, run.run_id, RunState.FAILED, reason)
        raise DiskError(f"{reason} {_how_to_go_on(run)}") from error
    except BaseException as error:
        _close(store, run.run_id, RunState.FAILED, str(error))
        raise
    finally:
        remove_partials(folder)
    _close(store, run.run_id, RunState.FAILED, ENDED_UNASKED)
    (run,) = store.get(RunRow, run_id=run.run_id)
    for table in draw_end(store, run.run_id, folder):
        console.print(table)
    _try_report(run.run_id, home, folder / "report.html")
    if run.state not in {RunState.FINISHED, RunState.STOPPED}:
        _check_disk(run, folder)
        raise RunFailedError(f"Run {run.run_id} did not finish: {run.reason or ENDED_UNASKED}")
    return run


def _conduct(
    config: RunConfig,
    run: RunRow,
    home: Path,
    store: Store,
    console: Console,
    credentials: Credentials | None,
) -> None:
    """Start what conducts the run, and start it again when it ends unasked, as long as rounds get done."""
    folder = home / "runs" / run.run_id
    variables = {"FEDLUNA_HOME": str(home), "FEDLUNA_RUN_ID": run.run_id}
    restarts_left, num_rounds, is_open = MAX_RESTARTS, _count_rounds(store, run.run_id), False
    while True:
        with (
            suppress(SuperLinkEndedError),
            SuperLink.start(config.server, folder, variables, credentials) as link,
        ):
            if not is_open:
                is_open = True
                _keep_config(config, folder)
                reopen(store, run, config)
                console.print(_welcome(config, run, credentials), highlight=False, soft_wrap=True)
                lines = RunLines(console, store, run.run_id)
            look = _open_door(link, home, store, run.run_id) if credentials else _look_at_nothing
            link.submit(build_bundle())
            _watch(link, store, run.run_id, console, lines, look=look)
        if all(row.state.is_over for row in store.get(RunRow, run_id=run.run_id)):
            return
        if (now := _count_rounds(store, run.run_id)) > num_rounds:
            restarts_left, num_rounds = MAX_RESTARTS, now
        _check_disk(run, folder)
        if restarts_left == 0:
            return
        restarts_left -= 1
        store.put([EventRow("restarted", RESTARTED, run_id=run.run_id), *close_parts(store, run.run_id)])


def _check_disk(run: RunRow, folder: Path) -> None:
    """Raise DiskError if a round's models cannot be written, which would end the run's ServerApp again."""
    models = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if fault := find_write_fault(folder, LITTLE + models):
        raise DiskError(f"{fault} {_how_to_go_on(run)}")


def _explain(error: OSError, folder: Path) -> str:
    return explain_disk(error, folder) or f"Cannot go on with the run's folder {folder}: {error.strerror}."


def _how_to_go_on(run: RunRow) -> str:
    return f"Then go on with `fl-server --resume {run.run_id}`."


def _count_rounds(store: Store, run_id: str) -> int:
    return sum(row.ended_at is not None for row in store.get(RoundRow, run_id=run_id))


def _make_run(config: RunConfig) -> RunRow:
    now = utc_now()
    return RunRow(
        run_id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        name=config.name,
        state=RunState.WAITING,
        num_rounds=config.federation.rounds,
        config=config.model_dump(mode="json"),
        started_at=now,
    )


def _keep_config(config: RunConfig, folder: Path) -> None:
    write_whole(folder / "config.toml", tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))


def _welcome(config: RunConfig, run: RunRow, credentials: Credentials | None) -> str:
    how = "--kit NAME.kit"
    if credentials is None:
        how = f"--site NAME --insecure --server {config.server.host}:{config.server.fleet_port}"
    return (
        f"Run {run.run_id}: sites join with  fl-client {how}\n"
        f"Waiting for {config.federation.min_sites} sites (Ctrl-C stops)"
    )


def _open_door(link: SuperLink, home: Path, store: Store, run_id: str) -> OnLook:
    """Let the enrolled sites in, and return what is to be called to look after them."""
    doorkeeper = Doorkeeper(link, home, store, run_id)
    doorkeeper.open()
    return doorkeeper.look


def _look_at_nothing() -> None:
    """Without TLS there are no keys."""


def _watch(
    link: SuperLink,
    store: Store,
    run_id: str,
    console: Console,
    lines: RunLines,
    *,
    look: OnLook = _look_at_nothing,
) -> None:
    """Show the run until its ServerApp has ended: lines, below them a table, on a terminal a moving one."""
    is_stale = False
    view = RunView.read(store, run_id)
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while True:
            is_finished = link.is_run_finished()
            look()
            try:
                view, is_stale = RunView.read(store, run_id), False
            except StoreUnavailableError as error:
                if not is_stale:
                    logger.warning("%s The table stands still; the run goes on.", error)
                is_stale = True
            lines.tell_new(view)
            if console.is_terminal:
                live.update(draw_run(view), refresh=True)
            if is_finished:
                break
            time.sleep(REFRESH_S)
    if not console.is_terminal:
        console.print(draw_run(view))


def _close(store: Store, run_id: str, state: RunState, reason: str) -> None:
    """Close what the ServerApp left open, the run with ``state``; a run that never began has no rows."""
    try:
        _close_rows(store, run_id, state, reason)
    except StoreError as error:  # what ended the run is told first
        logger.warning("%s The run is left open in the store.", error)


def _close_rows(store: Store, run_id: str, state: RunState, reason: str) -> None:
    for run in store.get(RunRow, run_id=run_id):
        if not run.state.is_over:
            store.put([replace(run, state=state, reason=reason, ended_at=utc_now())])
    store.put(close_parts(store, run_id))


def _try_report(run_id: str, home: Path, path: Path) -> None:
    """Write the report; where it cannot be, the run is safe all the same."""
    try:
        write_report(run_id, home, path)
    except FedLunaError as error:
        logger.warning("%s", error)
