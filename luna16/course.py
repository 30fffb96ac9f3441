"""A whole training on one machine: of one set of patches, or of several sites whose weights are averaged.

The averaging is that of a federation of these sites, in one process: the same settings give the same model
as ``fl-server`` with a ``fl-client`` for each site.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from luna16.checkpoint import PackedWeights, load_checkpoint, read_about, save_model
from luna16.config import CourseConfig
from luna16.dataset import PatchSet, Shard
from luna16.model import build_model
from luna16.training import train_locally

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class RoundRecord:
    """One round that is over: the mean training loss, weighed by examples, and the seconds it took."""

    round_no: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Origin:
    """What a model comes from; it is kept in the JSON beside it.

    ``course`` is a word that changes with all that decides on the model. ``site_per_subset`` tells that each
    subset of a data set was a site, divided into training and validation scans on its own.
    """

    course: str
    site_per_subset: bool = False


OnRound = Callable[[nn.Module, RoundRecord], None]


def take_course(
    members: Sequence[PatchSet],
    config: CourseConfig,
    path: Path,
    *,
    origin: Origin,
    device: torch.device,
    on_round: OnRound = lambda _model, _record: None,
) -> nn.Module:
    """Train a model in all rounds, and keep it in ``path`` after each; return it.

    With several ``members`` each trains the same model in a round, and their weights are averaged by their
    numbers of examples (FedAvg, McMahan et al. 2017, https://arxiv.org/abs/1602.05629); one member trains
    alone. A course that was stopped goes on after its last round if ``path`` has a model of this ``origin``.

    Raises ValueError as ``train_locally``, and OSError if the model cannot be written.
    """
    model, records = _take_up(path, config, origin)
    for round_no in range(len(records) + 1, config.rounds + 1):
        started_s = time.perf_counter()
        loss = train_round(model, members, config, round_no=round_no, device=device)
        records.append(RoundRecord(round_no, loss, time.perf_counter() - started_s))
        _keep(model, path, config, origin, records)
        on_round(model, records[-1])
    return model


def train_round(
    model: nn.Module,
    members: Sequence[PatchSet],
    config: CourseConfig,
    *,
    round_no: int,
    device: torch.device,
) -> float:
    """Train ``model`` in place for one round of all members; return the mean loss, weighed by examples."""
    sent = _copy(model)
    updates: list[tuple[Weights, int]] = []
    loss_sum = 0.0
    for member in members:
        model.load_state_dict(sent)
        training = config.training.spread_over(config.rounds)
        result = train_locally(model, member, config.data, training, round_no=round_no, device=device)
        updates.append((_copy(model), result.num_examples))
        loss_sum += result.loss * result.num_examples
    model.load_state_dict(average_weights(updates))
    return loss_sum / sum(num_examples for _weights, num_examples in updates)


def average_weights(updates: Sequence[tuple[Weights, int]]) -> dict[str, Tensor]:
    """Average weights by the numbers of examples behind them."""
    total = sum(num_examples for _weights, num_examples in updates)
    shares = [num_examples / total for _weights, num_examples in updates]
    return {
        name: sum(
            (weights[name] * share for (weights, _), share in zip(updates, shares, strict=True)),
            start=torch.zeros_like(tensor),
        )
        for name, tensor in updates[0][0].items()
    }


def make_origin(
    kind: str,
    config: CourseConfig,
    shards: Mapping[str, Shard],
    device: torch.device,
    *,
    site_per_subset: bool,
) -> Origin:
    """Say what a model comes from: its kind, settings, data and device."""
    keys = {name: shard.key for name, shard in shards.items()}
    parts = [kind, config.model_dump(mode="json"), keys, str(device)]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return Origin(digest[:16], site_per_subset=site_per_subset)


def read_rounds(path: Path, origin: Origin) -> list[RoundRecord]:
    """Give the rounds of the model in ``path``; none if it is of another origin."""
    try:
        about = read_about(path)
    except (FileNotFoundError, ValueError):
        return []
    return (
        [RoundRecord(**record) for record in about["rounds"]] if about.get("course") == origin.course else []
    )


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _take_up(path: Path, config: CourseConfig, origin: Origin) -> tuple[nn.Module, list[RoundRecord]]:
    """Give the model and the rounds of a course that was stopped, or a new model."""
    if records := read_rounds(path, origin):
        with contextlib.suppress(ValueError):  # stopped between writing the model and writing its JSON
            return load_checkpoint(path).model, records
    return build_model(config.model), []


def _keep(
    model: nn.Module, path: Path, config: CourseConfig, origin: Origin, records: Sequence[RoundRecord]
) -> None:
    about = {
        "settings": config.model_dump(mode="json", include={"data", "model"}),
        **asdict(origin),
        "rounds": [asdict(record) for record in records],
    }
    save_model(path, PackedWeights.pack(model.state_dict()), about)
