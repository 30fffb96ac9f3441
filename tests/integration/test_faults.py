"""Whatever process is killed, frozen or ended, and whenever: the run ends with the model it would have had.

``make test`` holds the quick cells, ``make faults`` the whole matrix: FEDLUNA_FAULTS_AT_ONCE cells at a time,
and its table goes to the file FEDLUNA_FAULTS_TABLE. One cell: ``pytest -m slow -k worker-kill-training`` with
this file.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fl_store.rows import EventRow
from fl_store.run_rows import RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState
from luna16.config import DataConfig
from luna16.dataset import load_shard
from tests.integration import test_federation
from tests.integration.fault_cells import Cell, Fault, Phase, Target
from tests.integration.struck_federation import (
    INTERRUPTED,
    NUM_ROUNDS,
    UNDISTURBED,
    Federation,
    Outcome,
    run_cell,
    run_undisturbed,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

scans = test_federation.scans

AT_ONCE = int(os.environ.get("FEDLUNA_FAULTS_AT_ONCE", "2"))
QUICK = (
    Cell(Target.SUPERNODE, Fault.FREEZE, Phase.REPLYING),
    Cell(Target.SERVER_APP, Fault.KILL, Phase.WRITING),
    Cell(Target.WORKER, Fault.TERMINATE, Phase.WAITING),
)
"""Every fault, each at another target and in another phase; those that take longest come first."""
OTHERS = [cell for cell in (Cell(*parts) for parts in product(Target, Fault, Phase)) if cell not in QUICK]
CELLS = [
    *(pytest.param(cell, id=str(cell)) for cell in QUICK),
    *(pytest.param(cell, id=str(cell), marks=pytest.mark.faults) for cell in OTHERS),
]
SITES = ("north", "south")

Begin = Callable[[Callable[[Federation], Outcome], str], Future[Outcome]]


@pytest.fixture(scope="module")
def prepared(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both sites have on disk from an earlier run."""
    folder, config = tmp_path_factory.mktemp("prepared"), DataConfig(patch_size_vox=16)
    for subset, site in enumerate(SITES):
        load_shard(scans, folder / site / "patches", config, subsets=[subset])
        (folder / site / "data.json").write_text(config.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def begin(scans: Path, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """Begin a federation in a folder of this name; so many are held at a time, the others wait."""
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield lambda run, name: threads.submit(run, Federation(folder / name, scans, prepared=prepared))
        threads.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def undisturbed(begin: Begin) -> Future[Outcome]:
    """A run without a fault, which is given one more round when it has finished."""
    return begin(run_undisturbed, "undisturbed")


@pytest.fixture(scope="module")
def struck(
    undisturbed: Future[Outcome], begin: Begin, request: pytest.FixtureRequest
) -> Mapping[Cell, Future[Outcome]]:
    """The runs of all cells that were asked for, which go on ahead of the tests that wait for them."""
    items = [item for item in request.session.items if item.name.startswith("test_the_run_ends_as_ever[")]
    cells = [item.callspec.params["cell"] for item in items]
    return {cell: begin(partial(run_cell, cell), str(cell)) for cell in cells}


@pytest.mark.parametrize("cell", CELLS)
def test_the_run_ends_as_ever(
    cell: Cell,
    struck: Mapping[Cell, Future[Outcome]],
    undisturbed: Future[Outcome],
    record_property: Callable[[str, object], None],
) -> None:
    record_property("cell", str(cell))
    outcome = struck[cell].result()
    with outcome.told_on_failure():
        check_rounds(outcome, NUM_ROUNDS)
        check_model(outcome, undisturbed.result())
        assert outcome.exit_codes == {"server": 0} | dict.fromkeys(SITES, INTERRUPTED)
        assert outcome.left_behind == []
        restarted = outcome.federation.rows(EventRow, kind="restarted")
        assert len(restarted) == cell.is_restarted_by_launcher
        record_property("seconds", outcome.measure_recovery_s())


def check_rounds(outcome: Outcome, num_rounds: int) -> None:
    """Each round is there once, has ended, and both sites took part in it to its end."""
    federation, rounds = outcome.federation, list(range(1, num_rounds + 1))
    (run,) = federation.rows(RunRow)
    assert (run.state, run.num_rounds) == (RunState.FINISHED, num_rounds)
    held = {row.round_no: row.ended_at for row in federation.rows(RoundRow)}
    assert (list(held), all(held.values())) == (rounds, True)
    parts = {(row.round_no, row.site): row.state for row in federation.rows(SiteRoundRow)}
    assert parts == dict.fromkeys(product(rounds, SITES), SiteRoundState.DONE)
    history = json.loads((federation.run_folder / "history.json").read_text())
    assert [part["round_no"] for part in history["rounds"]] == rounds


def check_model(outcome: Outcome, undisturbed: Outcome) -> None:
    """On one machine and in one thread, training is the same to the last bit."""
    model = load_file(outcome.federation.run_folder / "last.safetensors")
    expected = load_file(undisturbed.federation.folder / UNDISTURBED)
    differing = [name for name, tensor in expected.items() if not torch.equal(model[name], tensor)]
    assert differing == []


def test_a_finished_run_takes_one_more_round(undisturbed: Future[Outcome]) -> None:
    outcome = undisturbed.result()
    with outcome.told_on_failure():
        check_rounds(outcome, NUM_ROUNDS + 1)
        assert outcome.exit_codes == {"server": 0} | dict.fromkeys(SITES, INTERRUPTED)
        assert outcome.left_behind == []
