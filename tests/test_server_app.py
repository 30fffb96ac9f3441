from pathlib import Path

import pytest
from flwr.app import Message

from fl_core import messages
from fl_core.config import RunConfig
from fl_server import grid as grid_module
from fl_server.launch import _keep_config
from fl_server.server_app import conduct_recorded
from fl_store.metrics import Metric
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import (
    CheckpointRow,
    MetricRow,
    RoundRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState, SiteRoundState
from luna16.config import ModelConfig
from luna16.model import build_model
from tests.fake_grid import Answer, FakeGrid, FakeSite
from tests.small_disk import no_file_above

FIRST_WEIGHTS = {name: tensor.numpy() for name, tensor in build_model(ModelConfig()).state_dict().items()}


class AskingSite(FakeSite):
    """A site that never ends its training: meanwhile somebody asks something of the run."""

    store: SqliteStore
    request = RunRequest.STOP

    def __call__(self, message: Message) -> Answer:
        if message.metadata.message_type == "train":
            self.store.put([RunRequestRow("r1", self.request, "anna", utc_now())])
            return None
        return super().__call__(message)


@pytest.fixture
def folder(
    store: SqliteStore, tmp_path: Path, flower_identity: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A run that is about to begin."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    monkeypatch.setattr(grid_module, "TICK_S", 0.01)
    config = RunConfig.model_validate({"federation": {"rounds": 2, "min_sites": 1}})
    store.put([RunRow("r1", "Run", RunState.WAITING, 2, {}, utc_now())])
    _keep_config(config, tmp_path)
    return tmp_path


def test_stop_in_the_middle_of_a_round_ends_it_without_an_error(folder: Path, store: SqliteStore) -> None:
    flower, site = FakeGrid(), AskingSite("north")
    site.store = store
    flower.nodes = {5: site}
    conduct_recorded(flower, "r1", folder)
    (run,) = store.get(RunRow)
    assert (run.state, run.reason) == (RunState.STOPPED, "Stopped by anna in the monitor.")
    assert run.ended_at is not None
    assert [row.state for row in store.get(SiteRoundRow)] == [SiteRoundState.STOPPED]
    assert [row.ended_at for row in store.get(RoundRow)] == [None]
    assert "Stopped by anna" in store.get(EventRow, newest=1)[0].text


def test_stop_while_sites_are_waited_for_ends_the_run(folder: Path, store: SqliteStore) -> None:
    store.put([RunRequestRow("r1", RunRequest.STOP, "anna", utc_now())])
    conduct_recorded(FakeGrid(), "r1", folder)
    assert [run.state for run in store.get(RunRow)] == [RunState.STOPPED]


def test_run_whose_model_gets_no_better_is_finished_with_the_reason(folder: Path, store: SqliteStore) -> None:
    flower = FakeGrid()
    flower.nodes = {5: FakeSite("north", weights=FIRST_WEIGHTS)}
    federation = {"rounds": 5, "min_sites": 1, "patience": 1}
    _keep_config(RunConfig.model_validate({"federation": federation}), folder)
    conduct_recorded(flower, "r1", folder)
    (run,) = store.get(RunRow)
    assert run.state is RunState.FINISHED
    assert (run.reason or "").startswith("Its cpm has not got better for 1 round (patience in [federation]).")
    asked = [m for m in flower.sent if m.metadata.message_type == "evaluate"]
    assert [messages.wants_intervals(task.content) for task in asked] == [True, True]


def test_model_that_cannot_be_written_fails_the_run_and_is_not_shown(
    folder: Path, store: SqliteStore
) -> None:
    flower = FakeGrid()
    flower.nodes = {5: FakeSite("north", weights=FIRST_WEIGHTS)}
    with no_file_above(2_000_000), pytest.raises(OSError, match="File too large"):  # the model has 3.6 MB
        conduct_recorded(flower, "r1", folder)
    (run,) = store.get(RunRow)
    assert run.state is RunState.FAILED
    assert (run.reason or "").startswith(f"Cannot write to {folder}: File too large. Make room on its disk")
    assert store.get(CheckpointRow) == []
    assert not [path for path in folder.iterdir() if path.suffix in {".safetensors", ".partial"}]


@pytest.mark.parametrize(("test_fraction", "num_tested"), [(0.0, 0), (0.2, 1)])
def test_test_is_held_at_the_end_if_scans_are_kept_for_it(
    folder: Path, store: SqliteStore, test_fraction: float, num_tested: int
) -> None:
    flower = FakeGrid()
    flower.nodes = {5: FakeSite("north", weights=FIRST_WEIGHTS)}
    settings = {"federation": {"rounds": 1, "min_sites": 1}, "data": {"test_fraction": test_fraction}}
    _keep_config(RunConfig.model_validate(settings), folder)
    conduct_recorded(flower, "r1", folder)
    assert sum(messages.wants_test(task.content) for task in flower.sent) == num_tested
    assert len(store.get(MetricRow, metric=Metric.TEST_AUC)) == 2 * num_tested
    assert [run.state for run in store.get(RunRow)] == [RunState.FINISHED]
