import json
from pathlib import Path

import pytest

from fl_core import messages
from fl_core.config import RunConfig
from fl_server import grid as grid_module
from fl_server.cross_scores import CrossScore, read_cross_scores
from fl_server.launch import _keep_config
from fl_server.server_app import conduct_recorded
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from luna16.config import ModelConfig
from luna16.counts import score
from luna16.model import build_model
from tests.fake_grid import FakeGrid, FakeSite

WEIGHTS = {name: tensor.numpy() for name, tensor in build_model(ModelConfig()).state_dict().items()}
SOUTH = FakeSite("south", weights=WEIGHTS, logits_of_nodules=(-1.5, 3.0))
FEDERATION = {"rounds": 1, "min_sites": 2, "cross_site_table": True}


@pytest.fixture
def flower(flower_identity: None, monkeypatch: pytest.MonkeyPatch) -> FakeGrid:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    flower = FakeGrid()
    flower.nodes = {
        5: FakeSite("north", weights=WEIGHTS, shares_model=True),
        6: SOUTH,
    }
    return flower


@pytest.fixture
def folder(flower: FakeGrid, store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of which the table was asked for, after its end."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    store.put([RunRow("r1", "Run", RunState.WAITING, 1, {}, utc_now())])
    _keep_config(RunConfig.model_validate({"federation": FEDERATION}), tmp_path)
    conduct_recorded(flower, "r1", tmp_path)
    return tmp_path


def test_models_are_scored_on_each_sites_scans(folder: Path) -> None:
    scores = {(each.trained_by, each.site): each for each in read_cross_scores(folder)}
    assert [*scores] == [("*", "north"), ("*", "south"), ("north", "north"), ("north", "south")]
    of_south = score(SOUTH.counts)
    assert of_south.auc == 3 / 4
    assert scores["north", "south"] == CrossScore("north", "south", 2, of_south.auc, of_south.cpm)
    assert json.loads((folder / "cross-site.json").read_text())["round_no"] == 1


def test_model_of_a_site_that_does_not_agree_goes_to_nobody(
    folder: Path, flower: FakeGrid, store: SqliteStore
) -> None:
    evaluations = [m for m in flower.sent if m.metadata.message_type == "evaluate"]
    assert len(evaluations) == 2 * 3  # the round, the last model, that of north
    assert not messages.wants_test(evaluations[-1].content)
    (event,) = store.get(EventRow, kind="not_shared")
    assert event.text == "Not in the cross-site table, as it shares no model: south."


def test_run_without_a_table_has_no_score(tmp_path: Path) -> None:
    assert read_cross_scores(tmp_path) == []
