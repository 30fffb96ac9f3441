"""The ServerApp: Flower runs it in a process of its own, beside the SuperLink.

What to do comes from the run's folder, named by the environment; what happens goes to the store.
"""

import logging
import os
from pathlib import Path

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp

from fl_core.config import RunConfig, home_folder, load_settings
from fl_core.disk import explain_disk
from fl_core.errors import FedLunaError
from fl_core.logs import LogFile
from fl_core.messages import pack_settings
from fl_core.prompt_flower import wait_shortly_for_weights
from fl_core.terminal import start_logging
from fl_server.best_model import NoLongerBetterError
from fl_server.cross_site import write_cross_site_table
from fl_server.dispatch import Dispatch
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.final_test import hold_final_test
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl, RunStoppedError
from fl_server.run_folder import RunFolder
from fl_server.server_lock import hold_server_lock
from fl_server.site_logs import kept_site_logs
from fl_server.strategy import NoduleFedAvg
from fl_server.superlink import START_VARIABLE
from fl_store.connect import open_local_store
from fl_store.run_rows import RunRow
from fl_store.words import RunState
from luna16.model import build_model

RUN_ID_VARIABLE = "FEDLUNA_RUN_ID"
LOG_NAME = "server.jsonl"

logger = logging.getLogger(__name__)

app = ServerApp()


@app.main()
def main(grid: Grid, _context: Context) -> None:
    """Conduct the run whose id is in the environment, to its end or to a recorded failure."""
    run_id = os.environ[RUN_ID_VARIABLE]
    folder = home_folder() / "runs" / run_id
    log = LogFile(folder / LOG_NAME, {"process": "server-app", "run": run_id})
    start_logging(is_verbose=True, handler=log)  # Flower shows our output to nobody
    wait_shortly_for_weights()
    try:
        with hold_server_lock(folder, os.environ[START_VARIABLE]):
            conduct_recorded(grid, run_id, folder)
    except Exception:
        logger.exception("The run ends here.")
        raise


def conduct_recorded(grid: Grid, run_id: str, folder: Path) -> None:
    """Conduct a run and write how it ended; an error goes on to the caller."""
    store = open_local_store(home_folder())
    recorder = Recorder(store, store.get(RunRow, run_id=run_id)[0])
    config = load_settings(folder / "config.toml", RunConfig)
    try:
        control = RunControl(store, recorder, run_id)
        reason = conduct(PromptGrid(grid), config, recorder, RunFolder(folder, run_id, config.task), control)
    except RunStoppedError as stop:
        recorder.keep_stopped(str(stop))
    except FedLunaError as error:
        recorder.keep_run_state(RunState.FAILED, str(error))
        raise
    except Exception as error:
        reason = explain_disk(error, folder) if isinstance(error, OSError) else None
        reason = (
            reason or f"The coordinator's program failed ({type(error).__name__}); {LOG_NAME} says where."
        )
        recorder.keep_run_state(RunState.FAILED, reason)
        raise
    else:
        recorder.keep_run_state(RunState.FINISHED, reason)
    finally:
        recorder.close()


def conduct(
    grid: PromptGrid, config: RunConfig, recorder: Recorder, folder: RunFolder, control: RunControl
) -> str | None:
    """Wait for the sites and run all rounds; returns why there are fewer than planned, if there are.

    RunStoppedError if somebody asks for the end.
    """
    roll_call = RollCall(grid, recorder, config.task, control)
    with kept_site_logs(grid, roll_call, folder.path, recorder.run_id):
        return hold_run(grid, roll_call, config, recorder, folder)


def hold_run(
    grid: PromptGrid, roll_call: RollCall, config: RunConfig, recorder: Recorder, folder: RunFolder
) -> str | None:
    """Wait for the sites and hold all rounds and what comes after them."""
    federation = config.federation
    dispatch = Dispatch(grid, roll_call, recorder, federation)
    grid.on_tick = dispatch.tick
    roll_call.wait_for(federation.min_sites, federation.wait_for_sites_s)
    recorder.keep_run_state(RunState.RUNNING)
    strategy = NoduleFedAvg(config, dispatch, roll_call, recorder, folder)
    initial = ArrayRecord(build_model(config.model).state_dict())
    reason = train_rounds(strategy, initial, grid, config, recorder.run_id)
    has_test = config.data.test_fraction > 0
    evaluation = ExtraEvaluation(config, dispatch, roll_call, recorder, on_test=has_test)
    if has_test:
        hold_final_test(evaluation, recorder, folder)
    if federation.cross_site_table:
        write_cross_site_table(strategy.updates, evaluation, roll_call, recorder, folder)
    return reason


def train_rounds(
    strategy: NoduleFedAvg, initial: ArrayRecord, grid: PromptGrid, config: RunConfig, run_id: str
) -> str | None:
    """Hold all rounds, or those until the model gets no better; returns why they are fewer, if they are."""
    train_task, evaluate_task = (pack_settings(config.task, run_id) for _ in range(2))
    try:
        arrays, first_round = strategy.take_up(initial)
        for round_no in range(first_round, config.federation.rounds + 1):
            tasks = strategy.configure_train(round_no, arrays, train_task, grid)
            strategy.gather_updates(tasks)
            made, _ = strategy.aggregate_train(round_no)
            arrays = made or arrays
            tasks = strategy.configure_evaluate(round_no, arrays, evaluate_task, grid)
            strategy.gather_evaluations(tasks)
            strategy.aggregate_evaluate(round_no)
    except NoLongerBetterError as end:
        return str(end)
    return None
