"""A run goes on after the kill -9 of each of the coordinator's processes, to the model it would have had."""

from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from fl_store.rows import EventRow, RoundRow, RunRow, RunState
from tests.integration import test_federation
from tests.integration.test_federation import RUN_TIMEOUT_S, Workplace, is_eventually, simulate

pytestmark = pytest.mark.slow

scans, workplace = test_federation.scans, test_federation.workplace


def test_run_survives_the_kill_of_each_of_the_coordinators_processes(workplace: Workplace) -> None:
    server = workplace.start_server(rounds=4)
    sites = [workplace.start_site("north", 0), workplace.start_site("south", 1)]
    wait_for_round(workplace, 2)
    kill(workplace, "flwr-serverapp")
    wait_for_round(workplace, 3)
    kill(workplace, "fl_server.guarded_superlink")
    wait_for_round(workplace, 4)
    server.kill()
    server.wait()
    again = workplace.start("fl-server", "--config", str(workplace.folder / "run.toml"))
    assert again.wait(RUN_TIMEOUT_S) == 0, workplace.printed(again)
    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.FINISHED
    assert [row.round_no for row in workplace.rows(RoundRow) if row.ended_at] == [1, 2, 3, 4]
    assert len(workplace.rows(EventRow, kind="restarted")) == 2
    assert measure_error(workplace, workplace.home / "runs" / run.run_id) < 0.05
    more = workplace.start("fl-server", "--resume", run.run_id, "--rounds", "+1")
    assert more.wait(RUN_TIMEOUT_S) == 0, workplace.printed(more)
    assert [row.round_no for row in workplace.rows(RoundRow) if row.ended_at] == [1, 2, 3, 4, 5]
    assert [row.num_rounds for row in workplace.rows(RunRow)] == [5]
    assert all(site.poll() is None for site in sites)


def wait_for_round(place: Workplace, round_no: int) -> None:
    """Return once this round has begun."""
    assert is_eventually(lambda: bool(place.rows(RoundRow, round_no=round_no)), RUN_TIMEOUT_S)


def kill(place: Workplace, program: str) -> None:
    """Kill the one process whose command line begins with this program."""
    (found,) = [process for process in place.processes() if is_running(process, program)]
    found.kill()


def is_running(process: psutil.Process, program: str) -> bool:
    try:
        return any(program in part for part in process.cmdline()[:3])
    except psutil.Error:
        return False


def measure_error(place: Workplace, folder: Path) -> float:
    """Return how far the model is from that of the same rounds in one process, of the way that both went.

    Sums in another order differ in the last digit, which training makes more of with each round.
    """
    trained, simulated, first = load_file(folder / "last.safetensors"), *simulate(place)
    begun, ended, wanted = (
        torch.cat([each[name].flatten() for name in first]) for each in (first, trained, simulated)
    )
    return float((ended - wanted).norm() / (wanted - begun).norm())
