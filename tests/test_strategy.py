import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, MetricRecord, RecordDict
from safetensors.torch import load_file

from fl_core import messages, replies
from fl_core.config import FederationConfig, RunConfig, ScreeningConfig, TaskSettings
from fl_core.errors import RunFailedError
from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_core.strategies import (
    AnyStrategy,
    FedAdamSettings,
    FedAvgMSettings,
    FedAvgSettings,
    FedMedianSettings,
)
from fl_server import dispatch as dispatch_module
from fl_server import grid as grid_module
from fl_server import strategy as strategy_module
from fl_server.dispatch import Dispatch
from fl_server.grid import PromptGrid
from fl_server.people import SCREENING
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl
from fl_server.run_folder import RunFolder
from fl_server.server_app import train_rounds
from fl_server.strategy import NoduleFedAvg
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import EventRow, SiteAccessRow, utc_now
from fl_store.run_rows import (
    CheckpointRow,
    MetricRow,
    RoundRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.site_access import set_site_access
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState
from luna16.bootstrap import FEWEST_SCANS
from luna16.counts import score
from luna16.detection.calibration import fit_calibration
from tests.fake_grid import Answer, FakeGrid, FakeSite, evaluation_of

TASK = TaskId("r1", 1)
LENIENT = ScreeningConfig(max_norm_ratio=100)  # north moves little and south much
START = {"layer.weight": torch.tensor([[1.0, 2.0]]), "layer.bias": torch.tensor(0.5)}


def update(first: float, second: float, bias: float) -> dict[str, np.ndarray]:
    return {
        "layer.weight": np.array([[first, second]], dtype=np.float32),
        "layer.bias": np.array(bias, dtype=np.float32),
    }


NORTH = FakeSite("north", "n", update(1, 2, 0.25), num_examples=100, loss=0.4)
SOUTH = FakeSite("south", "s", update(3, -2, 0.75), num_examples=300, loss=0.8, logits_of_nodules=(-1.5, 3.0))
EAST = FakeSite("east", "e", update(0.1, 0.2, 0.3), num_examples=7, loss=0.1)


@dataclass
class Federation:
    """A run over sites in memory; everything else is what the coordinator runs."""

    store: SqliteStore
    folder: Path
    flower: FakeGrid
    on_pause: Callable[[], None] = lambda: None
    repeats: int = 0
    round_timeout_s: float = 60
    detects: bool = False
    screening: ScreeningConfig = LENIENT
    named: AnyStrategy = field(default_factory=FedAvgSettings)
    strategy: NoduleFedAvg = field(init=False)
    grid: PromptGrid = field(init=False)

    def run(self, sites: Sequence[FakeSite], *, rounds: int = 1, min_sites: int = 2) -> None:
        self.flower.nodes = {10 + i: site for i, site in enumerate(sites)}
        config = RunConfig(
            federation=FederationConfig(
                rounds=rounds,
                min_sites=min_sites,
                wait_for_sites_s=0.3,
                round_timeout_s=self.round_timeout_s,
                repeats=self.repeats,
                detect_in_last_round=self.detects,
            ),
            screening=self.screening,
            strategy=self.named,
        )
        run = RunRow("r1", "Run", RunState.RUNNING, rounds, {}, utc_now())
        self.store.put([run])
        self.grid = PromptGrid(self.flower)
        recorder = Recorder(self.store, run)
        control = RunControl(self.store, recorder, "r1")
        roll_call = RollCall(self.grid, recorder, TaskSettings(), control)
        for _ in range(2 * len(sites) + 1):
            roll_call.call()

        dispatch = Dispatch(self.grid, roll_call, recorder, config.federation)

        def tick() -> None:
            if recorder.run_state is RunState.PAUSED:
                self.on_pause()
            dispatch.tick()

        self.grid.on_tick = tick
        folder = RunFolder(self.folder, "r1", TaskSettings())
        self.strategy = NoduleFedAvg(config, dispatch, roll_call, recorder, folder)
        train_rounds(self.strategy, ArrayRecord(START), self.grid, config, "r1")

    @property
    def model(self) -> dict[str, np.ndarray]:
        return {n: t.numpy() for n, t in load_file(self.folder / "last.safetensors").items()}

    def states(self, round_no: int = 1) -> dict[str, str]:
        return {row.site: str(row.state) for row in self.store.get(SiteRoundRow, round_no=round_no)}

    def reason(self, site: str) -> str | None:
        return self.store.get(SiteRoundRow, site=site)[0].reason

    def metric(self, site: str, metric: Metric) -> float | None:
        (row,) = self.store.get(MetricRow, site=site, metric=metric)
        return row.value


@pytest.fixture
def federation(
    store: SqliteStore, tmp_path: Path, flower_identity: None, monkeypatch: pytest.MonkeyPatch
) -> Federation:
    monkeypatch.setattr(grid_module, "POLL_S", 0.001)
    monkeypatch.setattr(grid_module, "TICK_S", 0.01)
    monkeypatch.setattr(strategy_module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(dispatch_module, "LOOK_EVERY_S", 0.01)
    folder = tmp_path / "run"
    folder.mkdir()
    return Federation(store, folder, FakeGrid())


def instead_of_training(answer: Answer) -> FakeSite:
    """Return a third site that answers so when it is asked to train."""
    return replace(EAST, instead={"train": answer})


def bad_update(weights: dict[str, np.ndarray], num_examples: float = 50, task: TaskId = TASK) -> RecordDict:
    reply = TrainReply(task, weights, num_examples, loss=0.5, train_s=1, began_at_s=0)  # type: ignore[arg-type]
    return replies.pack_train_reply(reply)


def mean_of_two() -> dict[str, np.ndarray]:
    """Return the average of north and south by hand: a quarter and three quarters."""
    return {
        "layer.weight": np.array([[0.25 * 1 + 0.75 * 3, 0.25 * 2 - 0.75 * 2]]),
        "layer.bias": np.array(0.25 * 0.25 + 0.75 * 0.75),
    }


def assert_is_mean_of_two(model: dict[str, np.ndarray]) -> None:
    assert model.keys() == START.keys()
    for name, expected in mean_of_two().items():
        np.testing.assert_allclose(model[name], expected, rtol=1e-6)
        assert model[name].dtype == np.float32
        assert model[name].shape == expected.shape


def test_average_weighs_sites_by_their_examples(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    assert_is_mean_of_two(federation.model)


def test_average_does_not_depend_on_who_is_first(federation: Federation) -> None:
    federation.run([NORTH, SOUTH, EAST])
    first = federation.model
    federation.flower.last_first = True
    federation.run([EAST, SOUTH, NORTH])
    assert all(np.array_equal(first[name], tensor) for name, tensor in federation.model.items())


def test_what_each_update_did_is_written_down(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    north, south = federation.store.get(SiteRoundRow)
    mean = np.array(
        [1.5, -3, 0.125]
    )  # of the changes (0, 0, -0.25) and (2, -4, 0.25), by 100 and 300 examples
    assert (north.update_norm, south.update_norm) == pytest.approx((0.25, 20.0625**0.5))
    assert north.update_cosine == pytest.approx(-0.125 / np.linalg.norm(mean))
    assert south.update_cosine == pytest.approx(mean @ [2, -4, 0.25] / np.linalg.norm(mean) / 20.0625**0.5)


def test_last_round_alone_is_scored_with_intervals(federation: Federation) -> None:
    large = [replace(site, num_scans=FEWEST_SCANS) for site in (NORTH, SOUTH)]
    federation.run(large, rounds=2)
    asked = [m for m in federation.flower.sent if m.metadata.message_type == "evaluate"]
    assert [messages.wants_intervals(task.content) for task in asked] == [False, False, True, True]
    for site in ("north", FEDERATION):
        first, last = federation.store.get(MetricRow, site=site, metric=Metric.CPM)
        assert (first.interval_low, first.interval_high) == (None, None)
        assert last.interval_low is not None
        assert last.interval_low <= (last.value or 0) + 0.01


def test_last_round_alone_finds_nodules_in_whole_scans_and_calibrates_the_model(
    federation: Federation,
) -> None:
    federation.detects = True
    federation.run([NORTH, SOUTH], rounds=2)
    asked = [m for m in federation.flower.sent if m.metadata.message_type == "evaluate"]
    assert [messages.wants_detection(task.content) for task in asked] == [False, False, True, True]
    (row,) = federation.store.get(MetricRow, site=FEDERATION, metric=Metric.CANDIDATES_PER_SCAN)
    assert (row.round_no, row.value) == (2, 100)
    calibration = json.loads((federation.folder / "last.json").read_text())["calibration"]
    assert calibration == asdict(fit_calibration(NORTH.counts + SOUTH.counts))


def test_marks_that_cannot_be_calibrated_are_told(federation: Federation) -> None:
    federation.detects = True
    silent = {"logits_of_nodules": (-3.0, -4.0), "logits_of_others": (3.0, 4.0)}
    federation.run([replace(NORTH, **silent), replace(SOUTH, **silent)])
    (event,) = federation.store.get(EventRow, kind="not_calibrated")
    assert "do not rise with the share of nodules" in event.text
    assert "calibration" not in json.loads((federation.folder / "last.json").read_text())


def test_next_round_starts_from_the_average(federation: Federation) -> None:
    federation.run([NORTH, SOUTH], rounds=2)
    tasks = [m for m in federation.flower.sent if m.metadata.message_type == "train"]
    assert [messages.unpack_task_id(task.content).round_no for task in tasks] == [1, 1, 2, 2]
    assert_is_mean_of_two(messages.unpack_weights(tasks[-1].content))
    started_with = messages.unpack_weights(tasks[0].content)
    assert all(np.array_equal(started_with[name], tensor.numpy()) for name, tensor in START.items())


def test_sites_evaluate_the_average(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    (task, _) = [m for m in federation.flower.sent if m.metadata.message_type == "evaluate"]
    assert_is_mean_of_two(messages.unpack_weights(task.content))
    assert messages.unpack_settings(task.content) == RunConfig(federation=FederationConfig(rounds=1)).task


GOOD = update(1, 2, 0.3)
FOREIGN = [
    (TaskId("r1", 0), "Its update is of round 0 of run 'r1', expected round 1 of run 'r1'"),
    (TaskId("r2", 1), "Its update is of round 1 of run 'r2', expected round 1 of run 'r1'"),
]
BAD = {
    "nan": (bad_update(update(np.nan, 0, 0)), "NaN or infinite values in 'layer.weight'"),
    "inf": (bad_update(update(0, 0, np.inf)), "NaN or infinite values in 'layer.bias'"),
    "norm x 1e6": (bad_update(update(1e6, 2e6, 3e5)), "Its update has norm 2.26e+06, expected at most"),
    "norm x 1e30": (bad_update(update(1e30, 2e30, 3e29)), "Its update has norm 2.26e+30, expected at most"),
    "count 0": (bad_update(GOOD, num_examples=0), "of 0 examples, expected 1 to 1000"),
    "count -15": (bad_update(GOOD, num_examples=-15), "num-examples is -15, expected a finite number from 0"),
    "count NaN": (bad_update(GOOD, num_examples=np.nan), "num-examples is nan, expected a finite number"),
    "count 1.5": (bad_update(GOOD, num_examples=1.5), "num-examples is 1.5, expected a whole number"),
    "count 1e12": (bad_update(GOOD, num_examples=10**12), "of 1000000000000 examples, expected 1 to 1000"),
    "shape": (
        bad_update(GOOD | {"layer.bias": np.ones(9)}),
        "'layer.bias' is float64 [9], expected float32 []",
    ),
    "missing": (
        bad_update({"layer.weight": GOOD["layer.weight"]}),
        "'layer.bias' is missing, expected float32",
    ),
    "extra": (bad_update(GOOD | {"x": np.ones(1)}), "tensor 'x' is float64 [1], expected missing"),
    "renamed": (
        bad_update({"layer.weight": GOOD["layer.weight"], "layer.b": GOOD["layer.bias"]}),
        "tensor 'layer.bias' is missing",
    ),
    "float64": (
        bad_update({name: tensor.astype(np.float64) for name, tensor in GOOD.items()}),
        "'layer.weight' is float64 [1, 2], expected float32 [1, 2]",
    ),
    "complex": (
        bad_update(GOOD | {"layer.bias": np.array(1, np.complex64)}),
        "is complex64 [], expected float32",
    ),
    "stale round": (bad_update(GOOD, task=FOREIGN[0][0]), FOREIGN[0][1]),
    "foreign run": (bad_update(GOOD, task=FOREIGN[1][0]), FOREIGN[1][1]),
    "no task": (RecordDict(), "The message has round None"),
    "no model": (
        RecordDict({messages.CONFIG: ConfigRecord({messages.ROUND: 1, messages.RUN_ID: "r1"})}),
        "holds no whole model",
    ),
    "error": (Error(0, "The site's program failed (RuntimeError)."), "failed (RuntimeError)"),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("fault", BAD)
def test_bad_update_is_left_out_and_named_whenever_it_comes(
    federation: Federation, fault: str, place: int
) -> None:
    answer, reason = BAD[fault]
    sites = [NORTH, SOUTH]
    sites.insert(place, instead_of_training(answer))
    federation.run(sites)
    assert_is_mean_of_two(federation.model)
    assert federation.states() == {"north": "done", "south": "done", "east": "failed"}
    (event,) = federation.store.get(EventRow, kind="site_failed")
    assert event.text == f"Site 'east' failed in round 1: {federation.reason('east')}"
    assert reason in event.text


def test_site_is_told_why_its_update_was_left_out(federation: Federation) -> None:
    federation.run([NORTH, SOUTH, instead_of_training(bad_update({}))])
    told = [each for each in federation.flower.sent if each.metadata.message_type == messages.LEFT_OUT]
    assert [each.metadata.dst_node_id for each in told] == [12]
    assert messages.unpack_reason(told[0].content) == federation.reason("east")


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_site_that_declines_is_left_out_with_its_reason(federation: Federation, kind: str) -> None:
    declined = Error(messages.DECLINED, "Its consent is for 2 epochs.")
    federation.run([NORTH, SOUTH, replace(EAST, instead={kind: declined})])
    assert federation.states()["east"] == "failed"
    assert federation.reason("east") == "Its consent is for 2 epochs."
    (event,) = federation.store.get(EventRow, kind="site_declined")
    assert event.text == "Site 'east' declined its part of round 1: Its consent is for 2 epochs."


def test_every_site_is_told_how_many_are_sent_the_round(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    tasks = [message for message in federation.flower.sent if message.metadata.message_type == "train"]
    assert [messages.unpack_num_sites(task.content) for task in tasks] == [2, 2]


def test_numbers_that_nobody_asked_for_change_nothing(federation: Federation) -> None:
    content = replies.pack_train_reply(
        TrainReply(TASK, SOUTH.weights, 300, loss=0.8, train_s=1, began_at_s=0)
    )
    content["more"] = MetricRecord({"surprise": 1})
    content["weights"] = ArrayRecord({"w": Array(np.ones(3))})
    content.metric_records[messages.METRICS]["surprise"] = 1
    federation.run([NORTH, replace(SOUTH, instead={"train": content})])
    assert_is_mean_of_two(federation.model)


def test_site_that_does_not_answer_is_told_and_left_out(federation: Federation) -> None:
    federation.round_timeout_s = 1
    federation.run([NORTH, instead_of_training(None), SOUTH])
    assert_is_mean_of_two(federation.model)
    assert federation.states()["east"] == "no answer"
    assert [event.site for event in federation.store.get(EventRow, kind="site_late")] == ["east"]


def test_when_a_site_began_is_told_in_the_coordinators_time(federation: Federation) -> None:
    federation.run([replace(NORTH, clock_ahead_s=3600), replace(SOUTH, clock_ahead_s=-7)], rounds=2)
    for row in federation.store.get(SiteRoundRow):
        train = (row.train_sent_at, row.train_began_at, row.train_received_at)
        evaluate = (row.evaluate_sent_at, row.evaluate_began_at, row.evaluate_received_at)
        for times in (train, evaluate):
            assert sorted(filter(None, times)) == list(times)


def test_site_left_out_is_not_asked_to_evaluate(federation: Federation) -> None:
    federation.run([NORTH, SOUTH, instead_of_training(Error(0, "boom"))])
    assert federation.flower.types_sent_to(12) == ["query.join", "query.prepare", "train"]


def test_site_left_out_takes_part_in_the_next_round(federation: Federation) -> None:
    federation.run([NORTH, SOUTH, instead_of_training(Error(0, "boom"))], rounds=2)
    assert federation.flower.types_sent_to(12).count("train") == 2


def test_round_with_too_few_good_updates_is_held_again_with_the_same_model(federation: Federation) -> None:
    class Recovering(FakeSite):
        def __call__(self, message: Any) -> Answer:
            is_first = federation.flower.types_sent_to(11).count("train") == 1
            is_bad = message.metadata.message_type == "train" and is_first
            return BAD["nan"][0] if is_bad else super().__call__(message)

    federation.repeats = 1
    federation.run([NORTH, Recovering(**vars(SOUTH))])
    assert_is_mean_of_two(federation.model)
    again = [m for m in federation.flower.sent if m.metadata.message_type == "train"][-1]
    assert messages.unpack_task_id(again.content) == TASK
    started_with = messages.unpack_weights(again.content)
    assert all(np.array_equal(started_with[name], tensor.numpy()) for name, tensor in START.items())
    (event,) = federation.store.get(EventRow, kind="round_repeated")
    assert event.text == (
        "Round 1 has too few good updates: 1, expected at least 2 (min_sites in [federation]); "
        "it is held again in 0 s."
    )


def test_moments_of_an_optimizer_are_those_of_the_rounds_that_were_not_lost(federation: Federation) -> None:
    class Failing(FakeSite):
        def __call__(self, message: Any) -> Answer:
            is_second = federation.flower.types_sent_to(11).count("train") == 2
            is_bad = message.metadata.message_type == "train" and is_second
            return BAD["nan"][0] if is_bad else super().__call__(message)

    models = []
    for second in (SOUTH, Failing(**vars(SOUTH))):
        federation.folder = federation.folder / "another"
        federation.folder.mkdir()
        federation.named, federation.repeats = FedAdamSettings(), 1
        federation.flower.sent = []
        federation.run([NORTH, second], rounds=3)
        models.append(federation.model)
    assert len(federation.store.get(EventRow, kind="round_repeated")) == 1
    assert all(np.array_equal(models[0][name], tensor) for name, tensor in models[1].items())


def test_every_site_goes_on_under_an_optimizer_that_computes_in_float64(federation: Federation) -> None:
    federation.named = FedAdamSettings()
    federation.run([NORTH, SOUTH], rounds=3)
    assert federation.states(3) == {"north": "done", "south": "done"}
    assert federation.model["layer.weight"].dtype == np.float32


def test_median_does_not_follow_the_site_with_most_examples(federation: Federation) -> None:
    federation.named = FedMedianSettings()
    federation.run([NORTH, SOUTH, replace(EAST, weights=update(2, -1, 0.5))], min_sites=3)
    np.testing.assert_allclose(federation.model["layer.weight"], [[2, -1]])
    np.testing.assert_allclose(federation.model["layer.bias"], 0.5)


def test_site_sits_out_after_its_strikes_until_it_is_let_back(federation: Federation) -> None:
    federation.screening = ScreeningConfig(max_norm_ratio=100, strikes=2)
    federation.run([NORTH, SOUTH, instead_of_training(BAD["nan"][0])], rounds=3)
    assert federation.flower.types_sent_to(12).count("train") == 2
    (row,) = federation.store.get(SiteAccessRow, site="east")
    assert (row.is_allowed, row.changed_by) == (False, SCREENING)
    (event,) = federation.store.get(EventRow, kind="site_sits_out")
    assert "`fl-server sites allow east` lets it back" in event.text
    assert federation.store.get(EventRow, kind="site_revoked") == []


def test_site_that_is_let_back_takes_part_again(federation: Federation) -> None:
    class AskingToLetItBack(FakeSite):
        def __call__(self, message: Any) -> Answer:
            is_evaluation = message.metadata.message_type == "evaluate"
            if is_evaluation and messages.unpack_task_id(message.content).round_no == 2:
                set_site_access(federation.store, "east", is_allowed=True, changed_by="anna")
            return super().__call__(message)

    federation.screening = ScreeningConfig(max_norm_ratio=100, strikes=1)
    east = instead_of_training(BAD["nan"][0])
    federation.run([AskingToLetItBack(**vars(NORTH)), SOUTH, east], rounds=3)
    rounds = [row.round_no for row in federation.store.get(SiteRoundRow, site="east")]
    assert rounds == [1, 3]


def test_too_few_good_updates_end_the_run_with_a_clear_line(federation: Federation) -> None:
    federation.round_timeout_s = 1
    with pytest.raises(RunFailedError) as failure:
        federation.run([NORTH, instead_of_training(None)])
    assert str(failure.value) == (
        "Round 1 has too few good updates: 1, expected at least 2 (min_sites in [federation])."
    )
    assert not (federation.folder / "last.safetensors").exists()


def test_run_that_is_paused_in_a_round_ends_it_and_rests_before_the_next(federation: Federation) -> None:
    class Asking(FakeSite):
        def __call__(self, message: Any) -> Answer:
            if message.metadata.message_type == "evaluate":
                federation.store.put([RunRequestRow("r1", RunRequest.PAUSE, "anna", utc_now())])
            return super().__call__(message)

    def resume() -> None:
        ended.append([row.ended_at is not None for row in federation.store.get(RoundRow)])
        federation.store.put([RunRequestRow("r1", RunRequest.RESUME, "anna", utc_now())])

    ended: list[list[bool]] = []
    federation.on_pause = resume
    federation.run([Asking(**vars(NORTH)), SOUTH], rounds=2)
    assert ended == [[True]]
    assert len(federation.store.get(RoundRow)) == 2
    assert [row.state for row in federation.store.get(RunRow)] == [RunState.RUNNING]


def test_update_of_a_site_that_is_shut_out_in_the_round_is_left_out(federation: Federation) -> None:
    class Leaving(FakeSite):
        def __call__(self, message: Any) -> Answer:
            if message.metadata.message_type == "train":
                federation.store.put([SiteAccessRow("east", False, "anna", utc_now())])
            return super().__call__(message)

    federation.run([NORTH, SOUTH, Leaving(**vars(EAST))], rounds=2)
    assert federation.states(1) == dict.fromkeys(("north", "south"), "done") | {"east": "failed"}
    assert federation.states(2) == dict.fromkeys(("north", "south"), "done")
    assert federation.flower.types_sent_to(12) == ["query.join", "query.prepare", "train"]


def test_too_few_sites_end_the_run_with_a_clear_line(federation: Federation) -> None:
    with pytest.raises(RunFailedError, match="for 2 sites; ready were: north"):
        federation.run([NORTH])


def test_scores_are_those_of_the_sum_of_counts(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    pooled = score(NORTH.counts + SOUTH.counts)
    assert federation.metric(FEDERATION, Metric.AUC) == pooled.auc == 14 / 16
    assert federation.metric(FEDERATION, Metric.CPM) == pooled.cpm
    assert federation.metric("south", Metric.AUC) == score(SOUTH.counts).auc == 3 / 4
    assert federation.metric(FEDERATION, Metric.TRAIN_LOSS) == pytest.approx(0.25 * 0.4 + 0.75 * 0.8)


def test_counts_that_are_not_sound_are_left_out_of_the_sum(federation: Federation) -> None:
    bad = replies.pack_evaluate_reply(evaluation_of(SOUTH.counts))
    bad.metric_records[messages.METRICS]["num_scans"] = -1
    federation.run([NORTH, replace(SOUTH, instead={"evaluate": bad})])
    assert federation.metric(FEDERATION, Metric.AUC) == score(NORTH.counts).auc
    assert federation.states() == {"north": "done", "south": "failed"}
    assert federation.reason("south") == "The message says num_scans is -1, expected a finite number from 0."


def test_round_without_any_evaluation_has_no_scores_but_a_model(federation: Federation) -> None:
    federation.round_timeout_s = 2
    silent = {"evaluate": None}
    federation.run([replace(NORTH, instead=silent), replace(SOUTH, instead=silent)])
    assert federation.metric(FEDERATION, Metric.AUC) is None
    assert set(federation.states().values()) == {"no answer"}
    assert_is_mean_of_two(federation.model)


@pytest.mark.timeout(30)
def test_sites_that_all_go_before_the_evaluation_do_not_hang_the_run(federation: Federation) -> None:
    class Leaving(FakeSite):
        def __call__(self, message: Any) -> Answer:
            answer = super().__call__(message)
            if message.metadata.message_type == "train":
                federation.flower.nodes.pop(message.metadata.dst_node_id)
            return answer

    federation.round_timeout_s = 2
    federation.run([Leaving(**vars(NORTH)), Leaving(**vars(SOUTH))])
    assert_is_mean_of_two(federation.model)
    assert federation.states() == dict.fromkeys(("north", "south"), "no answer")
    assert federation.metric(FEDERATION, Metric.AUC) is None


def test_model_is_on_disk_before_the_round_is_told_as_over(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_there = []
    put = SqliteStore.put

    def put_and_look(store: SqliteStore, rows: Sequence[Any]) -> None:
        if any(isinstance(row, RoundRow) and row.ended_at for row in rows):
            was_there.append((federation.folder / "last.safetensors").exists())
        put(store, rows)

    monkeypatch.setattr(SqliteStore, "put", put_and_look)
    federation.run([NORTH, SOUTH])
    assert was_there == [True]


def test_checkpoints_and_history_are_written_every_round(federation: Federation) -> None:
    federation.run([NORTH, SOUTH], rounds=2)
    rows = federation.store.get(CheckpointRow)
    assert {(row.kind, row.round_no) for row in rows} == {("best", 1), ("last", 2)}
    history = (federation.folder / "history.json").read_text()
    assert history.count('"federation"') == 2


def test_bytes_are_those_of_the_model_both_ways(federation: Federation) -> None:
    federation.run([NORTH, SOUTH])
    (row,) = federation.store.get(SiteRoundRow, site="north")
    model = len(messages.pack_weights(NORTH.weights)[messages.WEIGHTS].data)
    assert row.bytes_down == 2 * model
    assert row.bytes_up > model + 4 * 2000 * 8


@pytest.mark.parametrize(
    "named", [FedAvgSettings(), FedAvgMSettings(), FedAdamSettings()], ids=lambda named: str(named.name)
)
def test_run_that_was_cut_off_goes_on_to_the_model_of_one_that_was_not(
    named: AnyStrategy, federation: Federation, tmp_path: Path
) -> None:
    federation.named = named
    federation.run([NORTH, SOUTH], rounds=4)
    whole = federation.model
    federation.folder = tmp_path / "cut-off"
    federation.folder.mkdir()
    for rounds in (2, 4):
        federation.run([NORTH, SOUTH], rounds=rounds)
    for name, tensor in whole.items():
        np.testing.assert_array_equal(federation.model[name], tensor)
    assert [row.round_no for row in federation.store.get(RoundRow)] == [1, 2, 3, 4]
