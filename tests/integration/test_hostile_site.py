"""A hospital that sends another fault in each round, beside two honest ones: real processes, one run.

The run is asked for all that comes after its rounds, too: contributions, test and cross-site table.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fl_server.cross_scores import read_cross_scores
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import EventRow, SiteRow
from fl_store.run_rows import MetricRow, RunRow, SiteRoundRow
from fl_store.words import RunRequest, RunState, SiteRoundState
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

scans = test_federation.scans

HOSTILE_SITE = Path(__file__).parents[1] / "hostile_site.py"
SITES = ("east", "north", "south")
REASONS = {
    1: "Its update holds NaN or infinite values",
    2: "Its update holds NaN or infinite values",
    3: "Its update has norm",
    4: "Its update has norm",
    5: "Its update is of 0 examples",
}
SETTINGS = f"""\
[federation]
rounds = {len(REASONS)}
leave_one_out_every = {len(REASONS)}
cross_site_table = true
[screening]
strikes = 0
[data]
patch_size_vox = 16
test_fraction = 0.3
[training]
steps = 1
[server]
insecure = true
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> Iterator[Workplace]:
    """Where such a run has come to its end."""
    place = Workplace(tmp_path_factory.mktemp("hostile"), scans)
    try:
        conduct(place)
        yield place
    finally:
        for process in place.processes():
            process.kill()
        for started in place.started:
            started.wait()


def conduct(place: Workplace) -> None:
    sites = place.folder / "configs" / "sites"
    sites.mkdir(parents=True)
    for name in ("north", "south"):
        (sites / f"{name}.toml").write_text("[consent]\nshare_model = true\n")
    ports = f"fleet_port = {place.fleet_port}\ncontrol_port = {place.control_port}\n"
    (place.folder / "run.toml").write_text(SETTINGS + ports)
    server = place.start("fl-server", "--config", "run.toml")
    assert is_eventually(lambda: bool(place.rows(RunRow)), START_TIMEOUT_S)
    place.ask(RunRequest.PAUSE)  # the first round is to begin with all three sites
    start_hostile_site(place)
    place.start_site("north", 0)
    place.start_site("south", 1)
    assert is_eventually(lambda: len(place.rows(SiteRow)) == len(SITES), START_TIMEOUT_S)
    place.ask(RunRequest.RESUME)
    assert server.wait(RUN_TIMEOUT_S) == 0, place.printed(server)


def start_hostile_site(place: Workplace) -> None:
    data = ("--data-root", str(place.scans), "--subset", "1")
    address = ("--insecure", "--server", f"127.0.0.1:{place.fleet_port}")
    place.start("python", str(HOSTILE_SITE), "--site", "east", *data, *address)


def folder_of_run(place: Workplace) -> Path:
    (run,) = place.rows(RunRow)
    return place.home / "runs" / run.run_id


def test_each_fault_is_named_and_the_run_ends_well(place: Workplace) -> None:
    assert [run.state for run in place.rows(RunRow)] == [RunState.FINISHED]
    states = {(part.round_no, part.site): part.state for part in place.rows(SiteRoundRow)}
    texts = [event.text for event in place.rows(EventRow, kind="site_failed")]
    assert len(texts) == len(REASONS)
    for (round_no, reason), text in zip(REASONS.items(), texts, strict=True):
        assert text.startswith(f"Site 'east' failed in round {round_no}: {reason}")
        failed, done = SiteRoundState.FAILED, SiteRoundState.DONE
        assert [states[round_no, site] for site in SITES] == [failed, done, done]


def test_model_goes_where_the_honest_sites_go_alone(place: Workplace) -> None:
    """Rounding of five rounds apart, which moves single weights by as much as a step."""
    trained = load_file(folder_of_run(place) / "last.safetensors")
    together, first = simulate(place)
    assert norm_between(together, trained) < 0.1 * norm_between(together, first)


def norm_between(one: Weights, other: Weights) -> float:
    parts = [torch.linalg.vector_norm(one[name] - other[name]) for name in one]
    return float(torch.linalg.vector_norm(torch.stack(parts)))


def test_contributions_are_those_of_the_honest_sites(place: Workplace) -> None:
    rows = place.rows(MetricRow, metric=Metric.LOSS_CHANGE_WITHOUT)
    assert [(row.round_no, row.site) for row in rows] == [(5, "north"), (5, "south")]
    assert all(row.value is not None for row in rows)


def test_last_and_best_model_are_tested_at_every_site_and_told_at_the_end(place: Workplace) -> None:
    tested = {row.round_no for row in place.rows(MetricRow, metric=Metric.TEST_AUC)}
    assert max(tested) == len(REASONS)
    assert len(tested) <= 2
    rows = place.rows(MetricRow, metric=Metric.TEST_LOSS, round_no=len(REASONS))
    assert {row.site for row in rows} == {*SITES, FEDERATION}
    assert "Test scans: the last model and the best" in place.printed(place.started[0])


def test_cross_site_table_has_the_models_of_those_who_agree_on_the_scans_of_all(place: Workplace) -> None:
    found = {(each.trained_by, each.site) for each in read_cross_scores(folder_of_run(place))}
    assert found == {(model, site) for model in (FEDERATION, "north", "south") for site in SITES}
