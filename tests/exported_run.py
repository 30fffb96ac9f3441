"""A run with a model on disk, as a coordinator has it when it exports the model."""

from dataclasses import replace
from pathlib import Path

from fl_core.config import RunConfig
from fl_server.run_folder import RunFolder
from fl_store.rows import DataCardRow, SiteRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.words import RunState
from luna16.config import DataConfig, ModelConfig
from luna16.counts import Score
from luna16.model import build_model
from tests.conftest import Rehearsal

SITES = ("eastern-clinic", "northern-clinic", "southern-clinic")
RUN_NAME = "secret-name"
DATA = DataConfig(patch_size_vox=16)
SCORE = Score(auc=0.9, sensitivities=None, cpm=0.6, loss=None)


def tell_of_site(
    rehearsal: Rehearsal, site: str, num_validation_scans: int = 8, num_nodules: int | None = 30
) -> None:
    """Write what a site tells of its data."""
    site_row = SiteRow(site, "1", 20, num_validation_scans, utc_now(), utc_now())
    rehearsal.store.put([site_row, DataCardRow(site, {"num_nodules": num_nodules}, utc_now())])


def play_run(rehearsal: Rehearsal, home: Path, data: DataConfig = DATA) -> RunRow:
    """Play two rounds of three sites, and write the model of the second."""
    rehearsal.sites = SITES
    config = RunConfig(name=RUN_NAME, data=data, model=ModelConfig(name="resnet_slim"))
    rehearsal.run = replace(rehearsal.run, name=RUN_NAME, config=config.model_dump(mode="json"))
    rehearsal.start(RunState.FINISHED)
    for round_no in (1, 2):
        rehearsal.play_round(round_no)
    for site in SITES:
        tell_of_site(rehearsal, site)
    folder = home / "runs" / rehearsal.run.run_id
    folder.mkdir(parents=True)
    weights = build_model(config.model).state_dict()
    RunFolder(folder, rehearsal.run.run_id, config.task).keep_model(weights, 2, SCORE, is_best=True)
    return rehearsal.run
