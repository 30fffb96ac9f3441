"""Which patches each arm trains on, and that its numbers do not depend on how it was run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from luna16 import comparison
from luna16.comparison import (
    ALONE,
    CENTRAL,
    FEDERATED,
    Arm,
    ArmScores,
    Comparison,
    equalize_steps,
    plan_models,
    train_models,
)
from luna16.config import CourseConfig, DataConfig, TrainingConfig
from luna16.dataset import Shard
from luna16.local_sites import find_sites
from luna16.phantom import write_phantom
from tests.test_training import make_patch_set

DATA = DataConfig(patch_size_vox=16, patch_spacing_mm=2.0, max_negatives_per_scan=8)
CONFIG = CourseConfig(rounds=1, data=DATA, training=TrainingConfig(steps=2, batch_size=4))
SHARDS = {
    "east": Shard(make_patch_set(4, 8), make_patch_set(2, 2)),
    "north": Shard(make_patch_set(8, 40), make_patch_set(2, 2)),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom of two sites with two scans each."""
    folder = tmp_path_factory.mktemp("phantom") / "data"
    write_phantom(folder, num_sites=2, scans_per_site=2, seed=0)
    return folder


def make_comparison(root: Path, folder: Path, num_seeds: int = 1) -> Comparison:
    return Comparison(tuple(find_sites(root)), CONFIG, num_seeds, folder, torch.device("cpu"))


def run(plan: Comparison, num_jobs: int) -> list[ArmScores]:
    shards = plan.load()
    return train_models(plan_models(plan, shards), shards, num_jobs=num_jobs)


def logits_of(scores: list[ArmScores]) -> dict[tuple[str, int], list[float]]:
    return {
        (each.arm.name, each.seed): np.concatenate([scan.logits for scan in each.scans]).tolist()
        for each in scores
    }


def test_members_of_an_arm_are_its_training_sets() -> None:
    assert [m.num_scans for m in Arm(CENTRAL).choose_members(SHARDS)] == [2]
    assert Arm(FEDERATED).choose_members(SHARDS) == [shard.train for shard in SHARDS.values()]
    assert Arm(ALONE, "north").choose_members(SHARDS) == [SHARDS["north"].train]


def test_every_model_takes_as_many_steps_as_the_sites_on_average() -> None:
    config = CourseConfig(training=TrainingConfig(epochs=2, batch_size=4, negatives_per_positive=3))
    # east: 4 and 8 of the 12 wanted are 12 patches, 3 batches; north: 8 and 24 are 32, 8 batches
    assert equalize_steps(config, SHARDS).training.steps == (2 * 3 + 2 * 8) // 2


def test_number_of_steps_that_was_set_is_kept() -> None:
    assert equalize_steps(CONFIG, SHARDS) == CONFIG


def test_each_arm_is_planned_with_each_seed_and_a_key_of_its_own(tmp_path: Path) -> None:
    plan = Comparison((), CONFIG, 2, tmp_path, torch.device("cpu"))
    tasks = plan_models(plan, SHARDS)
    assert [(task.arm.kind, task.seed) for task in tasks] == [
        (CENTRAL, 0),
        (FEDERATED, 0),
        (CENTRAL, 1),
        (FEDERATED, 1),
    ]
    assert len({task.origin for task in tasks}) == 4
    assert tasks[0].config.data.split_seed == tasks[2].config.data.split_seed


def test_model_of_one_site_is_kept_when_the_data_of_another_change(root: Path, tmp_path: Path) -> None:
    plan = make_comparison(root, tmp_path)
    before = plan_models(
        plan, {"subset0": Shard(*[make_patch_set()] * 2, key="a"), "subset1": SHARDS["east"]}
    )
    after = plan_models(plan, {"subset0": Shard(*[make_patch_set()] * 2, key="b"), "subset1": SHARDS["east"]})
    changed = [old.arm.name for old, new in zip(before, after, strict=True) if old.origin != new.origin]
    assert changed == ["central", "federated", "subset0 alone"]


@pytest.mark.slow
@pytest.mark.soak
def test_numbers_do_not_depend_on_the_number_of_processes(root: Path, tmp_path: Path) -> None:
    scores = run(make_comparison(root, tmp_path / "two"), num_jobs=2)
    assert [each.arm.name for each in scores] == ["central", "federated", "subset0 alone", "subset1 alone"]
    assert {len(each.scans) for each in scores} == {2}
    logits = logits_of(scores)
    assert len(set(map(tuple, logits.values()))) == 4
    assert logits_of(run(make_comparison(root, tmp_path / "one"), num_jobs=1)) == logits


@pytest.mark.parametrize(
    ("outcome", "error", "words"),
    [
        (
            None,
            ChildProcessError,
            "of 'central' with seed 0: the process was killed, perhaps for want of memory",
        ),
        ("Training loss is nan.", ValueError, "of 'central' with seed 0: Training loss is nan"),
    ],
)
def test_model_that_could_not_be_trained_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str | None, error: type[Exception], words: str
) -> None:
    monkeypatch.setattr(comparison, "run_each", lambda _work, tasks, **_: [(tasks[0], outcome)])
    tasks = plan_models(Comparison((), CONFIG, 1, tmp_path, torch.device("cpu")), SHARDS)
    with pytest.raises(error, match=words):
        train_models(tasks, SHARDS)
