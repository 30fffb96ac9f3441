"""A hospital that sends another fault in each round, beside two honest ones: real processes, one run."""

from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fl_store.connect import open_store
from fl_store.rows import (
    EventRow,
    RunRequest,
    RunRequestRow,
    RunRow,
    RunState,
    SiteRoundRow,
    SiteRoundState,
    SiteRow,
    utc_now,
)
from tests.integration import test_federation
from tests.integration.test_federation import (
    RUN_TIMEOUT_S,
    START_TIMEOUT_S,
    Weights,
    Workplace,
    is_eventually,
    simulate,
)

pytestmark = pytest.mark.slow

scans, workplace = test_federation.scans, test_federation.workplace

HOSTILE_SITE = Path(__file__).parents[1] / "hostile_site.py"
REASONS = {
    1: "Its update holds NaN or infinite values",
    2: "Its update holds NaN or infinite values",
    3: "Its update has norm",
    4: "Its update has norm",
    5: "Its update is of 0 examples",
}


def test_each_fault_is_named_and_the_result_is_that_of_the_honest_sites(workplace: Workplace) -> None:
    config = workplace.write_config(rounds=len(REASONS))
    config.write_text(config.read_text() + "steps = 1\n[screening]\nstrikes = 0\n")
    server = workplace.start("fl-server", "--config", str(config))
    assert is_eventually(lambda: bool(workplace.rows(RunRow)), START_TIMEOUT_S)
    ask(workplace, RunRequest.PAUSE)
    start_hostile_site(workplace)
    workplace.start_site("north", 0)
    workplace.start_site("south", 1)
    assert is_eventually(lambda: len(workplace.rows(SiteRow)) == 3, START_TIMEOUT_S)
    ask(workplace, RunRequest.RESUME)

    assert server.wait(RUN_TIMEOUT_S) == 0, workplace.printed(server)

    (run,) = workplace.rows(RunRow)
    assert run.state is RunState.FINISHED
    check_offender_is_named(workplace)
    check_model_is_of_north_and_south(
        workplace, load_file(workplace.home / "runs" / run.run_id / "last.safetensors")
    )


def ask(place: Workplace, request: RunRequest) -> None:
    """Ask as the monitor does: the first round is to begin with all three sites."""
    (run,) = place.rows(RunRow)
    with closing(open_store(place.home)) as store:
        store.put([RunRequestRow(run.run_id, request, "anna", utc_now())])


def start_hostile_site(place: Workplace) -> None:
    data = ("--data-root", str(place.scans), "--subset", "1")
    address = ("--insecure", "--server", f"127.0.0.1:{place.fleet_port}")
    place.start("python", str(HOSTILE_SITE), "--site", "east", *data, *address)


def check_offender_is_named(place: Workplace) -> None:
    parts = {(part.round_no, part.site): part for part in place.rows(SiteRoundRow)}
    texts = [event.text for event in place.rows(EventRow, kind="site_failed")]
    assert len(texts) == len(REASONS)
    for (round_no, reason), text in zip(REASONS.items(), texts, strict=True):
        assert text.startswith(f"Site 'east' failed in round {round_no}: {reason}")
        states = [parts[round_no, site].state for site in ("east", "north", "south")]
        assert states == [SiteRoundState.FAILED, SiteRoundState.DONE, SiteRoundState.DONE]


def check_model_is_of_north_and_south(place: Workplace, trained: Weights) -> None:
    """It went where the two go alone, but for what rounding becomes in five rounds."""
    together, first = simulate(place)
    way, apart = ((norm_between(together, other)) for other in (first, trained))
    assert apart < 0.1 * way


def norm_between(one: Weights, other: Weights) -> float:
    parts = [torch.linalg.vector_norm(one[name] - other[name]) for name in one]
    return float(torch.linalg.vector_norm(torch.stack(parts)))
