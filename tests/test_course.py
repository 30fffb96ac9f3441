"""Several rounds on one machine: averaged as in a federation, and gone on with after a stop."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from luna16.config import CourseConfig, DataConfig, TrainingConfig
from luna16.course import Origin, RoundRecord, average_weights, read_rounds, take_course, train_round
from luna16.dataset import PatchSet
from luna16.model import build_model
from luna16.training import train_locally
from tests.test_training import make_patch_set

CPU = torch.device("cpu")
CONFIG = CourseConfig(
    rounds=2, data=DataConfig(patch_size_vox=16), training=TrainingConfig(steps=2, batch_size=4)
)


def train(members: Sequence[PatchSet], path: Path, *, rounds: int = 2, course: str = "k") -> torch.Tensor:
    config = CONFIG.model_copy(update={"rounds": rounds})
    return flatten(take_course(members, config, path, origin=Origin(course), device=CPU))


def flatten(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()])


def make_weights(seed: int) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    shapes = {"stem.weight": (4, 3), "head.bias": (5,)}
    return {name: torch.from_numpy(random.normal(size=shape).astype("f")) for name, shape in shapes.items()}


def test_weights_are_averaged_by_their_numbers_of_examples() -> None:
    one, other = ({"bias": torch.tensor([value])} for value in (1.0, 5.0))
    assert average_weights([(one, 30), (other, 10)])["bias"].item() == 2.0


def test_average_is_flowers_to_the_bit() -> None:
    updates = [(make_weights(seed), num) for seed, num in ((0, 120), (1, 77), (2, 391))]
    records = [
        RecordDict(
            {
                "arrays": ArrayRecord({name: Array(tensor.numpy()) for name, tensor in weights.items()}),
                "metrics": MetricRecord({"num-examples": num}),
            }
        )
        for weights, num in updates
    ]
    theirs = aggregate_arrayrecords(records, "num-examples")
    for name, tensor in average_weights(updates).items():
        np.testing.assert_array_equal(tensor.numpy(), theirs[name].numpy())


def test_one_member_trains_as_a_site_does(tmp_path: Path) -> None:
    expected = build_model(CONFIG.model)
    for round_no in (1, 2):
        train_locally(expected, make_patch_set(), CONFIG.data, CONFIG.training, round_no=round_no, device=CPU)
    assert torch.equal(train([make_patch_set()], tmp_path / "m.safetensors"), flatten(expected))


def test_round_of_several_is_the_mean_of_what_each_makes_of_the_same_model() -> None:
    members = [make_patch_set(4, 8), make_patch_set(8, 24)]
    apart = []
    for member in members:
        model = build_model(CONFIG.model)
        result = train_locally(model, member, CONFIG.data, CONFIG.training, round_no=1, device=CPU)
        apart.append((flatten(model), result))
    together = build_model(CONFIG.model)
    loss = train_round(together, members, CONFIG, round_no=1, device=CPU)
    num = [result.num_examples for _, result in apart]
    assert num == [12, 32]
    mean = (apart[0][0] * num[0] + apart[1][0] * num[1]) / sum(num)
    assert torch.allclose(flatten(together), mean, atol=1e-6)
    assert loss == pytest.approx(sum(r.loss * r.num_examples for _, r in apart) / sum(num))


def test_schedule_without_a_length_falls_over_the_rounds_of_the_course(tmp_path: Path) -> None:
    training = CONFIG.training.model_copy(update={"schedule": "cosine"})
    config = CONFIG.model_copy(update={"training": training})
    take_course([make_patch_set()], config, tmp_path / "m.safetensors", origin=Origin("k"), device=CPU)


def test_course_that_was_stopped_gives_the_same_model(tmp_path: Path) -> None:
    members = [make_patch_set(4, 8), make_patch_set(8, 24)]
    undisturbed = train(members, tmp_path / "a.safetensors")
    train(members, tmp_path / "b.safetensors", rounds=1)
    seen: list[RoundRecord] = []
    resumed = take_course(
        members,
        CONFIG,
        tmp_path / "b.safetensors",
        origin=Origin("k"),
        device=CPU,
        on_round=lambda _, record: seen.append(record),
    )
    assert torch.equal(flatten(resumed), undisturbed)
    assert [record.round_no for record in seen] == [2]
    assert [record.round_no for record in read_rounds(tmp_path / "b.safetensors", Origin("k"))] == [1, 2]


def test_course_of_other_settings_or_data_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    train([make_patch_set()], path, course="old")
    assert read_rounds(path, Origin("new")) == []
    assert torch.equal(
        train([make_patch_set(4, 8)], path, course="new"),
        train([make_patch_set(4, 8)], tmp_path / "n.safetensors"),
    )


@pytest.mark.parametrize("damage", ["{", "[]", '{"settings": 1}'])
def test_damaged_json_of_a_course_is_no_round(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.safetensors"
    train([make_patch_set()], path)
    path.with_suffix(".json").write_text(damage)
    assert read_rounds(path, Origin("k")) == []


def test_model_of_a_round_whose_json_was_not_written_is_not_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    whole = train([make_patch_set()], path)
    about = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(about | {"sha256": "0", "rounds": about["rounds"][:1]}))
    assert torch.equal(train([make_patch_set()], path), whole)
