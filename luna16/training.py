"""One site's training in one round."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from luna16.augmentation import augment
from luna16.config import DataConfig, TrainingConfig
from luna16.dataset import BoolArray, IndexArray, PatchSet, read_batch, sample_epoch


@dataclass(frozen=True)
class TrainResult:
    """What one round of local training did; ``loss`` is the mean, both classes weighted alike."""

    num_examples: int
    num_steps: int
    loss: float
    seconds: float


def train_locally(  # noqa: PLR0913 - each is set by somebody else: server, data, run, round, site
    model: torch.nn.Module,
    train: PatchSet,
    data: DataConfig,
    config: TrainingConfig,
    *,
    round_no: int,
    device: torch.device,
    on_step: Callable[[int, int], None] | None = None,
) -> TrainResult:
    """Train ``model`` in place for ``config.epochs`` and report it.

    Each epoch sees all positives and a fresh sample of negatives; the loss weighs both classes alike. The
    result depends only on the weights, the patches, ``config.seed`` and ``round_no``. ``on_step`` is told
    the step done and the number of steps. ``num_examples`` are those of one epoch.

    Raises ValueError if there is no positive or no negative, or if the loss is not finite.
    """
    started_s = time.perf_counter()
    random = np.random.default_rng([config.seed, round_no])
    generator = torch.Generator().manual_seed(int(random.integers(2**63)))
    epochs = [sample_epoch(train, config.negatives_per_positive, random) for _ in range(config.epochs)]
    batches = [batch for epoch in epochs for batch in _cut(epoch, config.batch_size)]
    class_weights = balance_classes(train.is_nodule[epochs[0]]).to(device)
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    loss_sum = 0.0
    for step, indices in enumerate(batches, start=1):
        patches, is_nodule = read_batch(train, indices, data, device)
        logits = model(augment(patches, generator))[:, 0]
        loss = balanced_loss(logits, is_nodule, class_weights)
        _check_finite(loss, step, round_no)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(indices)
        if on_step:
            on_step(step, len(batches))
    return TrainResult(
        num_examples=len(epochs[0]),
        num_steps=len(batches),
        loss=loss_sum / sum(map(len, epochs)),
        seconds=time.perf_counter() - started_s,
    )


def balance_classes(is_nodule: BoolArray) -> Tensor:
    """Give the weights of a negative and a positive, so that both classes count alike and the mean is 1."""
    counts = np.bincount(is_nodule.astype(int), minlength=2)
    return torch.tensor(len(is_nodule) / (2 * counts), dtype=torch.float32)


def balanced_loss(logits: Tensor, is_nodule: Tensor, class_weights: Tensor) -> Tensor:
    """Compute the mean weighted binary cross-entropy of logits and targets, both of shape (B,)."""
    return binary_cross_entropy_with_logits(logits, is_nodule, weight=class_weights[is_nodule.long()])


def _cut(indices: IndexArray, batch_size: int) -> list[IndexArray]:
    return [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]


def _check_finite(loss: Tensor, step: int, round_no: int) -> None:
    if not loss.isfinite():
        raise ValueError(
            f"Training loss is {loss.item()} at step {step} of round {round_no}. "
            "Lower the learning rate, or check the weights that the round began with."
        )
