"""The network between sites and coordinator is cut in the middle of a round, or slow and lossy."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fl_core.kit import read_kit, write_kit
from fl_server.credentials import Credentials, make_credentials
from fl_store.rows import EventRow
from fl_store.run_rows import RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState, SiteRoundState
from luna16.config import DataConfig
from tests.integration import test_federation
from tests.integration.test_federation import Workplace, is_eventually, simulate
from tests.integration.test_promises import ended as end_all
from tests.integration.test_promises import enrol
from tests.weak_line import Quality, WeakLine

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(1200)]

scans = test_federation.scans

SITES = ("north", "south")
NUM_ROUNDS = 2
RUN_TIMEOUT_S = 900
CUT_S = 25
"""Flower takes a node for gone after 20."""
HALF_A_MODEL_BYTES = 1_800_000
FAST = Quality(bytes_per_s=1_000_000)
FAR = Quality(delay_s=0.15, bytes_per_s=250_000, lost_share=0.01)
"""300 ms there and back, 2 Mbit/s each way, and a packet of a hundred is lost."""


@dataclass
class DistantPlace(Workplace):
    """A coordinator with certificates, and enrolled sites that reach it over a line each."""

    lines: dict[str, WeakLine] = field(default_factory=dict)

    def lay(self, site: str, line: WeakLine) -> None:
        """Enrol a site, whose kit leads to the line."""
        self.lines[site] = line
        enrol(self, site, self.home)
        settings = DataConfig(patch_size_vox=16)  # or patches would be cut twice
        (self.home / "sites" / site / "data.json").write_text(settings.model_dump_json())
        path, key = self.folder / f"{site}.kit", Credentials.read(self.home).key
        write_kit(path, replace(read_kit(path), server=f"127.0.0.1:{line.port}"), key)

    def join(self, site: str) -> None:
        data = ("--data-root", str(self.scans), "--subset", str(SITES.index(site)))
        self.start("fl-client", "--kit", f"{site}.kit", *data)

    def num_rounds_begun(self, site: str) -> int:
        """Return how often a site has begun to train."""
        counted = self.home / "sites" / site / "rounds.json"
        return len(json.loads(counted.read_text())) if counted.exists() else 0


@contextlib.contextmanager
def hold_run(folder: Path, scans: Path, quality: Quality, *, epochs: int) -> Iterator[DistantPlace]:
    """Start a coordinator and two sites that are far from it."""
    place = DistantPlace(folder, scans)
    with end_all(place), contextlib.ExitStack() as lines:
        make_credentials(place.home, ["127.0.0.1"], place.fleet_port)
        config = place.write_config(rounds=NUM_ROUNDS, epochs=epochs, wait_for_sites_s=RUN_TIMEOUT_S)
        config.write_text(config.read_text().replace("insecure = true\n", ""))
        for seed, site in enumerate(SITES):
            place.lay(site, lines.enter_context(WeakLine(place.fleet_port, quality, seed=seed)))
        place.start("fl-server", "--config", str(config))
        for site in SITES:
            place.join(site)
        yield place


def is_in_training(place: DistantPlace) -> bool:
    return all(place.num_rounds_begun(site) == 1 for site in SITES)


def is_model_on_its_way(place: DistantPlace) -> bool:
    return all(line.down.num_bytes > HALF_A_MODEL_BYTES for line in place.lines.values())


def is_update_on_its_way(place: DistantPlace) -> bool:
    return all(line.up.num_bytes > HALF_A_MODEL_BYTES for line in place.lines.values())


CUTS = [
    pytest.param(is_in_training, SITES, False, id="training"),
    pytest.param(is_in_training, SITES, True, id="training-told"),
    pytest.param(is_in_training, SITES[:1], False, id="training-one"),
    pytest.param(is_model_on_its_way, SITES, False, id="model"),
    pytest.param(is_update_on_its_way, SITES, False, id="update"),
]


@pytest.mark.parametrize(("is_time", "sites", "is_told"), CUTS)
def test_cut_in_the_middle_of_a_round_costs_nothing_but_time(
    tmp_path: Path,
    scans: Path,
    is_time: Callable[[DistantPlace], bool],
    sites: Sequence[str],
    is_told: bool,  # noqa: FBT001
) -> None:
    with hold_run(tmp_path, scans, FAST, epochs=2) as place:
        assert is_eventually(lambda: is_time(place), RUN_TIMEOUT_S)
        for site in sites:
            place.lines[site].cut(is_told=is_told)
        time.sleep(CUT_S)
        for site in sites:
            place.lines[site].mend()
        check_run(place)
        lost = place.rows(EventRow, kind="site_lost")
        assert {event.site for event in lost} == set(sites)


def test_run_over_a_slow_lossy_and_far_line_ends_with_every_site(tmp_path: Path, scans: Path) -> None:
    with hold_run(tmp_path, scans, FAR, epochs=1) as place:
        check_run(place)


def check_run(place: DistantPlace) -> None:
    """The run ends as if nothing had been: all sites in all rounds, nothing trained twice, the same model."""
    server, *clients = place.started
    assert server.wait(RUN_TIMEOUT_S) == 0, place.printed(server)
    (run,) = place.rows(RunRow)
    assert run.state is RunState.FINISHED
    assert [row.round_no for row in place.rows(RoundRow) if row.ended_at] == [1, 2]
    parts = {(row.round_no, row.site): row.state for row in place.rows(SiteRoundRow)}
    assert parts == {(number, site): SiteRoundState.DONE for number in (1, 2) for site in SITES}
    assert {site: place.num_rounds_begun(site) for site in SITES} == dict.fromkeys(SITES, NUM_ROUNDS)
    assert [client.poll() for client in clients] == [None, None]
    assert measure_error(place, place.home / "runs" / run.run_id) < 0.05


def measure_error(place: Workplace, folder: Path) -> float:
    """Return how far the model is from that of the same rounds in one process, of the way that both went.

    Sums in another order differ in the last digit, which training makes more of with each round.
    """
    trained, simulated, first = load_file(folder / "last.safetensors"), *simulate(place)
    begun, ended, wanted = (
        torch.cat([each[name].flatten() for name in first]) for each in (first, trained, simulated)
    )
    return float((ended - wanted).norm() / (wanted - begun).norm())
