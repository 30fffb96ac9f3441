import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from fl_core.config import TaskSettings
from fl_core.messages import Weights
from fl_core.replies import EvaluateReply
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.final_test import hold_final_test
from fl_server.recorder import Recorder
from fl_server.run_folder import RunFolder
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import MetricRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from luna16.bootstrap import FEWEST_SCANS
from luna16.counts import Score
from tests.fake_grid import FakeSite, evaluation_of

NORTH = replace(FakeSite("north"), num_scans=FEWEST_SCANS)
SOUTH = replace(FakeSite("south"), logits_of_nodules=(-1.5, 3.0))
REPLIES = {site.name: evaluation_of(site.counts, with_replicates=True) for site in (NORTH, SOUTH)}
SCORE = Score(auc=0.5, sensitivities=None, cpm=0.5, loss=0.5)


@dataclass
class Scored(ExtraEvaluation):
    """Sites that all score alike, whatever the model."""

    replies: dict[str, EvaluateReply]

    def __post_init__(self) -> None:
        self.values: dict[int, float] = {}

    def score(self, weights: Weights, round_no: int, name: str, **_: object) -> dict[str, EvaluateReply]:
        assert name == f"the model of round {round_no} on its test scans"
        self.values[round_no] = float(weights["w"])
        return self.replies


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of three rounds, the second of which was the best."""
    folder = RunFolder(tmp_path, "r1", TaskSettings())
    for round_no, is_best in ((1, True), (2, True), (3, False)):
        folder.keep_model({"w": torch.tensor(float(round_no))}, round_no, SCORE, is_best=is_best)
    return folder


@pytest.fixture
def recorder(store: SqliteStore) -> Recorder:
    run = RunRow("r1", "Run", RunState.RUNNING, 3, {}, utc_now())
    store.put([run])
    return Recorder(store, run)


def test_last_and_best_model_are_scored_by_all_sites(
    folder: RunFolder, recorder: Recorder, store: SqliteStore
) -> None:
    scored = Scored(REPLIES)
    hold_final_test(scored, recorder, folder)
    assert scored.values == {3: 3.0, 2: 2.0}
    rows = {(row.round_no, row.site): row for row in store.get(MetricRow, metric=Metric.TEST_AUC)}
    assert rows.keys() == {(round_no, site) for round_no in (2, 3) for site in ("north", "south", FEDERATION)}
    assert (rows[2, "south"].value, rows[2, FEDERATION].value) == (3 / 4, 14 / 16)
    assert rows[2, FEDERATION].interval_low is not None
    assert json.loads((folder.path / "history.json").read_text())["run_id"] == "r1"


def test_model_that_is_last_and_best_is_scored_once(folder: RunFolder, recorder: Recorder) -> None:
    folder.keep_model({"w": torch.tensor(4.0)}, 4, SCORE, is_best=True)
    scored = Scored(REPLIES)
    hold_final_test(scored, recorder, folder)
    assert scored.values == {4: 4.0}


def test_without_an_answer_there_is_no_score(
    folder: RunFolder, recorder: Recorder, store: SqliteStore
) -> None:
    hold_final_test(Scored({}), recorder, folder)
    assert store.get(MetricRow) == []
    assert store.get(EventRow) == []
