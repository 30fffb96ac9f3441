"""How good a model each strategy makes of phantom sites with unlike scanners, without processes and network.

Sites train with ``luna16.training`` and Flower's own strategies put their updates together, as in a run; the
screening is left out. Every model is the one after the last round, scored on the validation scans of all
sites: pooled, and at the site where it is worst. A second table has one site more whose labels are swapped,
which no screening of form, size or length can see. It takes 18 minutes of processor time.
Run: python -m bench.strategies [--rounds 16] [--seeds 3] [--jobs 2] [--folder FOLDER]
"""

import argparse
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from rich.console import Console
from rich.table import Table

from fl_client.personal import PersonalLayers
from fl_core.config import FederationConfig, RunConfig, TaskSettings
from fl_core.messages import ARRAYS, METRICS, NUM_EXAMPLES, Weights, unpack_weights
from fl_server.aggregation import Aggregation
from luna16.config import DataConfig, EvaluationConfig, ModelConfig, TrainingConfig
from luna16.counts import EvalCounts, Score, score
from luna16.dataset import PatchSet, Shard
from luna16.evaluation import evaluate
from luna16.local_sites import find_sites, load_sites
from luna16.model import build_model
from luna16.phantom import write_phantom
from luna16.training import train_locally
from luna16.worker_processes import run_each

NUM_SITES, SCANS_PER_SITE = 5, 10
CPU = torch.device("cpu")
DATA = DataConfig(patch_size_vox=16, patch_spacing_mm=1.5, validation_fraction=0.4)
TRAINING = TrainingConfig(steps=12, batch_size=16, learning_rate=1e-3)
NORM_LAYERS = ["*bn*", "*downsample.1*"]
STRATEGIES: dict[str, dict[str, Any]] = {
    "fedavg": {"name": "fedavg"},
    "fedavg, norm layers personal": {"name": "fedavg", "personal_layers": NORM_LAYERS},
    "fedprox, mu 0.01": {"name": "fedprox"},
    "fedprox, mu 1": {"name": "fedprox", "proximal_mu": 1.0},
    "fedavgm, momentum 0.5": {"name": "fedavgm", "server_momentum": 0.5},
    "fedavgm, momentum 0.9": {"name": "fedavgm"},
    "fedadam, eta 0.01": {"name": "fedadam"},
    "fedadam, eta 0.1": {"name": "fedadam", "eta": 0.1},
    "fedyogi, eta 0.01": {"name": "fedyogi"},
    "fedmedian": {"name": "fedmedian"},
    "fedtrimmedavg, beta 0.2": {"name": "fedtrimmedavg"},
    "krum, 1 bad": {"name": "krum"},
    "multikrum, 1 bad, 3 selected": {"name": "multikrum"},
}
ROBUST = ("fedavg", "fedmedian", "fedtrimmedavg", "krum", "multikrum")


@dataclass(frozen=True)
class Trial:
    """One strategy with one seed; with ``has_swapped`` the last site's training labels are wrong."""

    strategy: str
    seed: int
    has_swapped: bool
    rounds: int
    folder: Path

    @property
    def config(self) -> RunConfig:
        """The run as its file would have it."""
        return RunConfig.model_validate(
            {
                "federation": FederationConfig(rounds=self.rounds, min_sites=NUM_SITES),
                "data": DATA,
                "model": ModelConfig(seed=self.seed),
                "training": TRAINING.model_copy(update={"seed": self.seed}),
                "strategy": STRATEGIES[self.strategy],
            }
        )


def main() -> None:
    """Train all models and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="keeps the scans and patches")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        if not (folder / "scans").exists():
            write_phantom(folder / "scans", num_sites=NUM_SITES, scans_per_site=SCANS_PER_SITE, seed=0)
        shards = load(folder)
        trials = list(plan(folder, options.rounds, options.seeds))
        results = dict(run_each(train_and_test, trials, num_jobs=options.jobs))
    num_scans = sum(shard.validation.num_scans for shard in shards.values())
    num_nodules = sum(shard.validation.num_nodules for shard in shards.values())
    print(f"{NUM_SITES} sites, {num_scans} validation scans with {num_nodules} nodules")
    for has_swapped in (False, True):
        Console(width=120).print(draw(results, has_swapped=has_swapped))


def plan(folder: Path, rounds: int, num_seeds: int) -> Iterator[Trial]:
    """Yield the trials, the sound ones first."""
    for strategy in STRATEGIES:
        for seed in range(num_seeds):
            yield Trial(strategy, seed, has_swapped=False, rounds=rounds, folder=folder)
    for strategy in STRATEGIES:
        for seed in range(num_seeds):
            if STRATEGIES[strategy]["name"] in ROBUST and "personal" not in strategy:
                yield Trial(strategy, seed, has_swapped=True, rounds=rounds, folder=folder)


def load(folder: Path) -> dict[str, Shard]:
    """Return the sites' shards; patches are cut by the first who asks."""
    return load_sites(find_sites(folder / "scans"), folder / "patches", DATA)


def train_and_test(trial: Trial) -> list[Score]:
    """Return the pooled scores of the trial's model, and then those at each site."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    for name in ("_task_id", "_run_id", "_node_id"):
        setattr(TaskIdentity, name, 1)  # what Flower writes on every new message
    shards = list(load(trial.folder).values())
    members = [shard.train for shard in shards]
    if trial.has_swapped:
        members[-1] = swap_labels(members[-1])
    with tempfile.TemporaryDirectory() as name:
        homes = [Path(name) / str(i) for i in range(len(shards))]
        for home in homes:
            home.mkdir()
        models = train(trial.config, members, homes)
    counts = [score_site(weights, shard, trial.seed) for weights, shard in zip(models, shards, strict=True)]
    return [score(sum(counts[1:], start=counts[0])), *map(score, counts)]


def swap_labels(patches: PatchSet) -> PatchSet:
    """Call every nodule another tissue and the other way round."""
    swapped = (replace(each, is_nodule=not each.is_nodule) for each in patches.candidates)
    return replace(patches, candidates=tuple(swapped))


def train(config: RunConfig, members: Sequence[PatchSet], homes: Sequence[Path]) -> list[Weights]:
    """Hold all rounds, and return the model as each site has it at the end."""
    network, aggregation = build_model(config.model), Aggregation(config.strategy)
    model = ArrayRecord(network.state_dict())
    grid: Any = SimpleNamespace(get_node_ids=lambda: range(len(members)))
    personal = [PersonalLayers(home, "run", config.strategy.personal_layers) for home in homes]
    for round_no in range(1, config.federation.rounds + 1):
        tasks = aggregation.configure_train(round_no, model, ConfigRecord(), grid)
        tasks.sort(key=lambda task: task.metadata.dst_node_id)
        updates = [
            answer(task, network, config.task, member, own)
            for task, member, own in zip(tasks, members, personal, strict=True)
        ]
        model, _ = aggregation.aggregate_train(round_no, model, updates)  # type: ignore[assignment]
    final = {name: array.numpy() for name, array in model.items()}
    return [own.put_over(final) for own in personal]


def answer(
    task: Message, network: torch.nn.Module, settings: TaskSettings, member: PatchSet, own: PersonalLayers
) -> Message:
    """Train at a site, and pack its update as the coordinator does for Flower."""
    received = unpack_weights(task.content)
    load_weights(network, own.put_over(received))
    round_no = task.content.config_records["config"]["server-round"]
    assert isinstance(round_no, int)
    result = train_locally(network, member, DATA, settings.training, round_no=round_no, device=CPU)
    trained = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    weights = own.keep_back(trained, received)
    content = {
        ARRAYS: ArrayRecord({name: Array(tensor) for name, tensor in weights.items()}),
        METRICS: MetricRecord({NUM_EXAMPLES: result.num_examples}),
    }
    return Message(RecordDict(content), reply_to=task)


def load_weights(network: torch.nn.Module, weights: Weights) -> None:
    """Put weights into a network."""
    network.load_state_dict({name: torch.tensor(tensor) for name, tensor in weights.items()})


def score_site(weights: Weights, shard: Shard, seed: int) -> EvalCounts:
    """Count how a model scores a site's validation scans."""
    network = build_model(ModelConfig(seed=seed))
    load_weights(network, weights)
    return evaluate(network, shard.validation, DATA, EvaluationConfig(), device=CPU)


def draw(results: Mapping[Trial, list[Score] | None], *, has_swapped: bool) -> Table:
    """Draw the mean over the seeds, and the lowest and highest."""
    title = "One site of five has swapped labels" if has_swapped else "All sites are sound"
    table = Table("strategy", "pooled AUC", "pooled CPM", "worst site's AUC", "worst site's CPM", title=title)
    for strategy in STRATEGIES:
        scores = [
            found
            for trial, found in results.items()
            if found and (trial.strategy, trial.has_swapped) == (strategy, has_swapped)
        ]
        if scores:
            table.add_row(strategy, *(describe(values) for values in collect(scores)))
    return table


def collect(scores: Sequence[list[Score]]) -> Iterator[list[float]]:
    """Yield the numbers of each column, one for each seed."""
    yield [pooled.auc or 0 for pooled, *_ in scores]
    yield [pooled.cpm or 0 for pooled, *_ in scores]
    yield [min(site.auc or 0 for site in sites) for _, *sites in scores]
    yield [min(site.cpm or 0 for site in sites) for _, *sites in scores]


def describe(values: Sequence[float]) -> str:
    """Say the mean, and from where to where the seeds go."""
    return f"{mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


if __name__ == "__main__":
    main()
