"""Flower's strategies, by the names that a run gives them, against numpy written down by hand."""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAdam, FedAvgM
from pydantic import TypeAdapter

from fl_core import messages
from fl_core.config import RunConfig
from fl_core.errors import RunFailedError
from fl_core.strategies import AnyStrategy, StrategySettings
from fl_server.aggregation import FLOWER, Aggregation
from luna16.config import ModelConfig, TrainingConfig
from luna16.dataset import PatchSet
from luna16.model import build_model
from luna16.pooling import pool_patch_sets
from luna16.training import train_locally
from tests.fake_grid import FakeGrid
from tests.test_training import CPU, DATA, UNCHANGED, make_patch_set

Vector = npt.NDArray[np.float64]
Model = dict[str, npt.NDArray[Any]]

SHAPES = {"b": (2, 3), "a": (2, 3), "c": ()}  # not in the order of the alphabet
EXAMPLES = np.array([100, 300, 50, 200, 150])


def settings(name: str, **parameters: Any) -> StrategySettings:
    made: StrategySettings = TypeAdapter(AnyStrategy).validate_python({"name": name, **parameters})
    return made


def draw_model(seed: int, center: float = 0.0, width: float = 1.0) -> Model:
    random = np.random.default_rng(seed)
    draws = {name: random.normal(center, width, shape) for name, shape in SHAPES.items()}
    return {name: np.asarray(tensor, dtype=np.float32) for name, tensor in draws.items()}


def flatten(model: Model) -> Vector:
    return np.concatenate([model[name].astype(np.float64).ravel() for name in SHAPES])


def stack(updates: Sequence[Model]) -> Vector:
    return np.stack([flatten(update) for update in updates])


def pack(model: Model) -> ArrayRecord:
    return ArrayRecord({name: Array(tensor) for name, tensor in model.items()})


def unpack(arrays: ArrayRecord | None) -> Model:
    assert arrays is not None
    return {name: array.numpy() for name, array in arrays.items()}


def hold_round(aggregation: Aggregation, model: Model, updates: Sequence[Model], round_no: int = 1) -> Model:
    """Let the strategy send a model and put together what comes back."""
    grid = FakeGrid()
    grid.nodes = dict.fromkeys(range(len(updates)), lambda _: None)
    tasks = aggregation.configure_train(round_no, pack(model), ConfigRecord(), grid)
    replies = [
        Message(
            RecordDict(
                {
                    messages.ARRAYS: pack(update),
                    messages.METRICS: MetricRecord({messages.NUM_EXAMPLES: int(num_examples)}),
                }
            ),
            reply_to=task,
        )
        for task, update, num_examples in zip(tasks, updates, EXAMPLES, strict=False)
    ]
    before = [pickle.dumps(reply.content) for reply in replies]
    made = unpack(aggregation.aggregate_train(round_no, pack(model), replies)[0])
    assert [pickle.dumps(reply.content) for reply in replies] == before
    return made


def mean_by_examples(updates: Vector, chosen: Sequence[int] = range(5)) -> Vector:
    return EXAMPLES[list(chosen)] @ updates[list(chosen)] / EXAMPLES[list(chosen)].sum()


class ByHand:
    """Each strategy as its paper and Flower have it; one object is one run, before the end of a round."""

    def __init__(self, model: Model) -> None:
        self.model, self.round_no = flatten(model), 1
        self.velocity: Any = 0.0
        self.squares: Any = 0.0

    def fedavg(self, updates: Vector) -> Vector:
        return mean_by_examples(updates)

    fedprox = fedavg

    def fedavgm(self, updates: Vector) -> Vector:
        self.velocity = 0.8 * self.velocity + (self.model - mean_by_examples(updates))
        return self.model - 0.5 * self.velocity

    def _follow(self, updates: Vector) -> Vector:
        change = mean_by_examples(updates) - self.model
        self.velocity = 0.7 * self.velocity + 0.3 * change
        return change**2

    def fedadam(self, updates: Vector) -> Vector:
        square = self._follow(updates)
        self.squares = 0.9 * self.squares + 0.1 * square
        rate = 0.05 * np.sqrt(1 - 0.9 ** (self.round_no + 1)) / (1 - 0.7 ** (self.round_no + 1))
        return self.model + rate * self.velocity / (np.sqrt(self.squares) + 0.002)

    def fedyogi(self, updates: Vector) -> Vector:
        square = self._follow(updates)
        self.squares = self.squares - 0.1 * square * np.sign(self.squares - square)
        return self.model + 0.05 * self.velocity / (np.sqrt(self.squares) + 0.002)

    def fedmedian(self, updates: Vector) -> Vector:
        return np.sort(updates, axis=0)[2]

    def fedtrimmedavg(self, updates: Vector) -> Vector:
        return np.sort(updates, axis=0)[1:4].sum(axis=0) / 3

    def krum(self, updates: Vector) -> Vector:
        return updates[rank_by_neighbours(updates)[0]]

    def multikrum(self, updates: Vector) -> Vector:
        return mean_by_examples(updates, rank_by_neighbours(updates)[:3])


def rank_by_neighbours(updates: Vector) -> list[int]:
    """Order five updates by their squared distances to the two nearest, if one of the five is bad."""
    distances = [sorted(((update - other) ** 2).sum() for other in updates) for update in updates]
    sums = [nearest[1] + nearest[2] for nearest in distances]  # the first is its own
    return sorted(range(len(updates)), key=sums.__getitem__)


ADAPTIVE = {"eta": 0.05, "beta_1": 0.7, "beta_2": 0.9, "tau": 0.002}
PARAMETERS = {
    "fedavgm": {"server_learning_rate": 0.5, "server_momentum": 0.8},
    "fedadam": ADAPTIVE,
    "fedyogi": ADAPTIVE,
}


@pytest.mark.parametrize("name", FLOWER)
def test_strategy_computes_what_numpy_does_by_hand(name: str, flower_identity: None) -> None:
    model = draw_model(0)
    aggregation, by_hand = Aggregation(settings(name, **PARAMETERS.get(name, {}))), ByHand(model)
    for by_hand.round_no in range(1, 5):
        updates = [draw_model(10 * by_hand.round_no + i) for i in range(5)]
        updates[0] = dict(reversed(updates[0].items()))  # safetensors changes the order from call to call
        updates[4] = dict(sorted(updates[4].items()))
        expected = getattr(by_hand, name)(stack(updates))
        model = hold_round(aggregation, model, updates, by_hand.round_no)
        by_hand.model = flatten(model)
        np.testing.assert_allclose(flatten(model), expected, rtol=1e-5, atol=1e-6)
        assert {name: (t.shape, t.dtype) for name, t in model.items()} == {
            name: (shape, np.float32) for name, shape in SHAPES.items()
        }


def test_fedprox_tells_the_sites_its_mu_as_flower_does(flower_identity: None) -> None:
    config, grid = ConfigRecord(), FakeGrid()
    grid.nodes = {1: lambda _: None}
    Aggregation(settings("fedprox", proximal_mu=0.3)).configure_train(1, pack(draw_model(0)), config, grid)
    assert config["proximal-mu"] == 0.3


def test_model_travels_as_one_array(flower_identity: None) -> None:
    grid = FakeGrid()
    grid.nodes = {1: lambda _: None, 2: lambda _: None}
    tasks = Aggregation(settings("fedadam")).configure_train(1, pack(draw_model(0)), ConfigRecord(), grid)
    for task in tasks:
        sent = messages.unpack_weights(task.content)
        assert all(np.array_equal(sent[name], tensor) for name, tensor in draw_model(0).items())


@pytest.mark.parametrize("name", ["krum", "multikrum"])
def test_small_changes_of_large_weights_are_told_apart(name: str, flower_identity: None) -> None:
    model = draw_model(0, center=40)
    changes = [draw_model(seed, width=2e-3) for seed in range(1, 6)]
    updates = [{n: np.asarray(t + change[n]) for n, t in model.items()} for change in changes]
    expected = getattr(ByHand(model), name)(stack(updates))
    made = hold_round(Aggregation(settings(name)), model, updates)
    np.testing.assert_allclose(flatten(made) - flatten(model), expected - flatten(model), atol=1e-5)


def test_whole_numbers_stay_whole_and_are_rounded(flower_identity: None) -> None:
    model = draw_model(0) | {"c": np.array(7)}
    updates = [draw_model(i) | {"c": np.array(count)} for i, count in enumerate((10, 11))]
    made = hold_round(Aggregation(settings("fedavg")), model, updates)
    assert made["c"].dtype == np.int64
    assert made["c"] == 11  # 10.75


@pytest.mark.filterwarnings("ignore:overflow")
def test_model_that_is_not_finite_ends_the_run_with_the_reason(flower_identity: None) -> None:
    aggregation = Aggregation(settings("fedavgm", server_learning_rate=10))
    huge = {name: np.full(shape, 3e38, np.float32) for name, shape in SHAPES.items()}
    with pytest.raises(RunFailedError, match=r"round 1 are finite, but the new model is not \(in 'b'\)"):
        hold_round(aggregation, draw_model(0), [huge])


def test_moments_can_be_read_and_put_back(flower_identity: None) -> None:
    rounds = [[draw_model(10 * round_no + i) for i in range(5)] for round_no in (1, 2)]
    for name, moments in (("fedadam", ("m_t", "v_t")), ("fedavgm", ("momentum_vector",))):
        first, second = Aggregation(settings(name)), Aggregation(settings(name))
        assert isinstance(first.flower, FedAdam | FedAvgM)
        model = hold_round(first, draw_model(0), rounds[0])
        for moment in moments:
            setattr(second.flower, moment, getattr(first.flower, moment))
        on, restarted = (hold_round(each, model, rounds[1], round_no=2) for each in (first, second))
        assert all(np.array_equal(on[n], restarted[n]) for n in on)


# A real network and a real step: two sites of 16-voxel patches with the same share of nodules.
SITES = (make_patch_set(4, 8), make_patch_set(2, 4))
ONE_STEP = {
    "epochs": 1,
    "batch_size": 64,
    "negatives_per_positive": 2,
    "weight_decay": 0,
    "learning_rate": 0.1,
}


def train_model(patches: PatchSet, **training: Any) -> Model:
    network = build_model(ModelConfig())
    config = TrainingConfig(**{"augmentation": UNCHANGED, **ONE_STEP, **training})
    train_locally(network, patches, DATA, config, round_no=1, device=CPU)
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def average_of_sites(monkeypatch: pytest.MonkeyPatch, run: RunConfig, **training: Any) -> Model:
    start = {name: tensor.numpy() for name, tensor in build_model(ModelConfig()).state_dict().items()}
    mu = run.task.training.proximal_mu
    updates = [train_model(patches, proximal_mu=mu, **training) for patches in SITES]
    monkeypatch.setattr(f"{__name__}.EXAMPLES", np.array([12, 6]))
    return hold_round(Aggregation(run.strategy), start, updates)


def test_average_of_one_full_batch_step_is_that_step_on_all_data(
    flower_identity: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    federated = average_of_sites(monkeypatch, RunConfig(), optimizer="sgd")
    central = train_model(pool_patch_sets(SITES), optimizer="sgd")
    start = build_model(ModelConfig()).state_dict()
    assert max(np.abs(central[name] - start[name].numpy()).max() for name in central) > 1e-2
    for name, tensor in central.items():
        np.testing.assert_allclose(federated[name], tensor, rtol=0, atol=1e-5)


def test_fedprox_with_mu_0_is_fedavg_bit_for_bit_and_a_large_mu_keeps_updates_short(
    flower_identity: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {"steps": 5, "learning_rate": 1e-3, "batch_size": 2}
    average = average_of_sites(monkeypatch, RunConfig(), **steps)
    none, large = (
        average_of_sites(monkeypatch, RunConfig(strategy=settings("fedprox", proximal_mu=mu)), **steps)
        for mu in (0, 100)
    )
    assert all(none[name].tobytes() == tensor.tobytes() for name, tensor in average.items())
    start = build_model(ModelConfig()).state_dict()
    far, near = (
        sum(np.square(model[name] - start[name].numpy()).sum() for name in model) ** 0.5
        for model in (average, large)
    )
    assert near < 0.6 * far
