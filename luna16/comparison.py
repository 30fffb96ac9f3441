"""Central, federated and single-site training side by side, on the same test scans and in as many steps.

The test scans are the validation scans of all sites; no model trains on them, and none is chosen by them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from luna16.config import CourseConfig
from luna16.course import Origin, make_origin, read_rounds, take_course
from luna16.dataset import PatchSet, Shard
from luna16.evaluation import FloatArray, group_by_scan, predict_logits
from luna16.local_sites import LocalSite, are_subsets, load_sites
from luna16.pooling import pool_patch_sets
from luna16.scan_scores import ScanScores
from luna16.training import count_steps
from luna16.worker_processes import count_cores, run_each

CENTRAL, FEDERATED, ALONE = "central", "federated", "alone"


@dataclass(frozen=True)
class Arm:
    """One way to come to a model: of the patches of all, by averaging, or of those of one site alone."""

    kind: str
    site: str = ""

    @property
    def name(self) -> str:
        """Say it in a word or two."""
        return f"{self.site} alone" if self.site else self.kind

    def choose_members(self, shards: Mapping[str, Shard]) -> list[PatchSet]:
        """Give the sets of patches that train apart and are averaged: one, but for the federated arm."""
        if self.kind == ALONE:
            return [shards[self.site].train]
        sets = [shard.train for shard in shards.values()]
        return [pool_patch_sets(sets)] if self.kind == CENTRAL else sets


@dataclass(frozen=True)
class ArmScores:
    """How the model of one arm and seed scores every test scan."""

    arm: Arm
    seed: int
    scans: tuple[ScanScores, ...] = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """What is compared: sites, settings, and where models and patches are kept."""

    sites: tuple[LocalSite, ...]
    config: CourseConfig
    num_seeds: int
    folder: Path
    device: torch.device

    @property
    def arms(self) -> list[Arm]:
        """The arms, the joint ones first."""
        return [Arm(CENTRAL), Arm(FEDERATED), *(Arm(ALONE, site.name) for site in self.sites)]

    def load(self, on_progress: Callable[[int], None] = lambda _: None) -> dict[str, Shard]:
        """Load the sites' shards; errors as in ``load_sites``."""
        return load_sites(self.sites, self.folder / "patches", self.config.data, on_progress=on_progress)


def equalize_steps(config: CourseConfig, shards: Mapping[str, Shard]) -> CourseConfig:
    """Fix the number of steps in a round, if it is not, to what the sites' epochs take on average."""
    num_steps = [count_steps(shard.train, config.training) for shard in shards.values()]
    steps = config.training.steps or round(sum(num_steps) / len(num_steps))
    training = config.training.model_copy(update={"steps": steps, "epochs_cycle": ()})
    return config.model_copy(update={"training": training})


@dataclass(frozen=True)
class ModelTask:
    """A model to be trained and tested."""

    comparison: Comparison
    arm: Arm
    config: CourseConfig
    origin: Origin

    @property
    def seed(self) -> int:
        """The seed of the first weights and of the draws."""
        return self.config.model.seed

    @property
    def path(self) -> Path:
        """Where the model is kept."""
        name = f"{self.arm.name.replace(' ', '-')}-seed{self.seed}.safetensors"
        return self.comparison.folder / "models" / name

    def count_rounds(self) -> int:
        """Count the rounds that are done, by any process."""
        return len(read_rounds(self.path, self.origin))


def plan_models(comparison: Comparison, shards: Mapping[str, Shard]) -> list[ModelTask]:
    """List the models: every arm with the first seed, then with the next."""
    return [
        _plan_model(comparison, arm, seed, shards)
        for seed in range(comparison.num_seeds)
        for arm in comparison.arms
    ]


def _plan_model(comparison: Comparison, arm: Arm, seed: int, shards: Mapping[str, Shard]) -> ModelTask:
    config = comparison.config.with_seed(seed)
    own = {name: shard for name, shard in shards.items() if arm.site in {"", name}}
    site_per_subset = are_subsets(comparison.sites)
    origin = make_origin(arm.kind, config, own, comparison.device, site_per_subset=site_per_subset)
    return ModelTask(comparison, arm, config, origin)


def train_models(
    tasks: Sequence[ModelTask], shards: Mapping[str, Shard], *, num_jobs: int | None = None
) -> list[ArmScores]:
    """Train and test all models, in ``num_jobs`` processes: by default one a core, or one for a GPU.

    The scores come in the order of ``tasks``.

    Rounds that an earlier call with the same data and settings has done are not done again. On the CPU each
    model trains on one thread, so that the numbers do not depend on ``num_jobs``.

    Raises ValueError if a model cannot be trained, and OSError if a process was killed.
    """
    on_cpu = tasks[0].comparison.device.type == "cpu"
    jobs = num_jobs or (count_cores() if on_cpu else 1)
    test = _pool_test_scans(shards)
    scores = {
        task.origin: ArmScores(task.arm, task.seed, tuple(group_by_scan(_check(task, outcome), test)))
        for task, outcome in run_each(_work, tasks, num_jobs=jobs)
    }
    return [scores[task.origin] for task in tasks]


def _work(task: ModelTask) -> FloatArray | str:
    """Train a model and give its logits of all test patches, or say in one line why there are none."""
    logging.getLogger("luna16").setLevel(
        logging.ERROR
    )  # what is set aside was told when the caller loaded it
    if task.comparison.device.type == "cpu":
        torch.set_num_threads(1)
    try:
        return _train_and_test(task)
    except (ValueError, OSError) as error:
        return str(error)


def _train_and_test(task: ModelTask) -> FloatArray:
    comparison, config = task.comparison, task.config
    shards = comparison.load()
    members = task.arm.choose_members(shards)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    model = take_course(members, config, task.path, origin=task.origin, device=comparison.device)
    test = _pool_test_scans(shards)
    return predict_logits(model, test, config.data, config.evaluation, device=comparison.device)


def _pool_test_scans(shards: Mapping[str, Shard]) -> PatchSet:
    return pool_patch_sets(shard.validation for shard in shards.values())


def _check(task: ModelTask, outcome: FloatArray | str | None) -> FloatArray:
    what = f"Training of '{task.arm.name}' with seed {task.seed}"
    if outcome is None:
        raise ChildProcessError(
            f"{what}: the process was killed, perhaps for want of memory. Start again with fewer --jobs; "
            "it goes on where it ended."
        )
    if isinstance(outcome, str):
        raise ValueError(f"{what}: {outcome}")  # noqa: TRY004 - the words of an error
    return outcome
