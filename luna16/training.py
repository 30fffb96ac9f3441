"""One site's training in one round."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_

from luna16.augmentation import augment
from luna16.config import DataConfig, TrainingConfig
from luna16.dataset import BoolArray, IndexArray, PatchSet, read_batch, sample_epoch
from luna16.loader import load_ahead
from luna16.model import select_precision
from luna16.smaller_batches import halve_until_it_fits

STEP_MARKS = (0.5, 0.75)


@dataclass(frozen=True)
class TrainResult:
    """What one round of local training did; ``loss`` is the mean, both classes weighted alike.

    ``batch_size`` is less than was asked for if the GPU could not hold more.
    """

    num_examples: int
    batch_size: int
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
    """Train ``model`` in place for the round's epochs, or ``config.steps`` batches, and report it.

    Where the GPU's memory is too small it is done anew, from the first weights, with half the batch.

    Raises ValueError if not even a batch of 1 fits, and as ``_train_once``.
    """
    received = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}

    def train_anew(batch_size: int) -> TrainResult:
        model.zero_grad()
        model.load_state_dict(received)
        fitting = config.model_copy(update={"batch_size": batch_size})
        return _train_once(model, train, data, fitting, round_no=round_no, device=device, on_step=on_step)

    return halve_until_it_fits(train_anew, config.batch_size, what=f"the training of round {round_no}")


def _train_once(  # noqa: PLR0913 - as above
    model: torch.nn.Module,
    train: PatchSet,
    data: DataConfig,
    config: TrainingConfig,
    *,
    round_no: int,
    device: torch.device,
    on_step: Callable[[int, int], None] | None,
) -> TrainResult:
    """Train with batches of ``config.batch_size``, whether the GPU can hold them or not.

    Each epoch sees all positives and a fresh sample of negatives; the loss weighs both classes alike. The
    result depends only on the weights, the patches, ``config`` and ``round_no``. ``on_step`` is told
    the step done and the number of steps. ``num_examples`` are those of one epoch.

    Raises ValueError if there is no positive or no negative, or if the loss is not finite.
    """
    started_s = time.perf_counter()
    random = np.random.default_rng([config.seed, round_no])
    generator = torch.Generator().manual_seed(int(random.integers(2**63)))
    first_epoch, batches = _draw_batches(train, config, random, round_no)
    class_weights = balance_classes(train.is_nodule[first_epoch]).to(device)
    learning_rate = learning_rate_in_round(config, round_no)
    precision = select_precision(config.amp, device)
    _place(model.train(), config, device)
    received = [weight.detach().clone() for weight in model.parameters()] if config.proximal_mu else []
    make_optimizer = torch.optim.SGD if config.optimizer == "sgd" else torch.optim.AdamW
    optimizer = make_optimizer(model.parameters(), lr=learning_rate, weight_decay=config.weight_decay)
    scaler = GradScaler(device.type, enabled=precision is torch.float16)
    loss_sum = 0.0

    def load(indices: IndexArray) -> tuple[Tensor, Tensor]:
        patches, is_nodule = read_batch(train, indices, data, device)
        return augment(patches, config.augmentation, generator), is_nodule

    with load_ahead(batches, load) as loaded:
        for step, (patches, is_nodule) in enumerate(loaded, start=1):
            with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
                logits = model(patches)[:, 0]
            loss = balanced_loss(logits.float(), is_nodule, class_weights)
            _check_finite(loss, step, round_no)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            _change_gradients(model, received, config)
            scaler.step(optimizer)
            scaler.update()
            loss_sum += loss.item() * len(patches)
            if on_step:
                on_step(step, len(batches))
    return TrainResult(
        num_examples=len(first_epoch),
        batch_size=config.batch_size,
        num_steps=len(batches),
        loss=loss_sum / sum(map(len, batches)),
        seconds=time.perf_counter() - started_s,
    )


def learning_rate_in_round(config: TrainingConfig, round_no: int) -> float:
    """Give the learning rate of a round, counted from 1; after ``schedule_rounds`` it stays as it is.

    "cosine" falls by half a cosine, and "cyclic" does so again and again (Loshchilov and Hutter 2017,
    https://arxiv.org/abs/1608.03983: without and with restarts); "step" falls by 10 after one half and again
    after three quarters of the rounds (He et al. 2016).
    Raises ValueError if the rate falls, but nobody said over how many rounds.
    """
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule_rounds == 0:
        raise ValueError(
            f"training.schedule is '{config.schedule}', but schedule_rounds is 0. "
            "Say over how many rounds the learning rate falls."
        )
    if config.schedule == "cyclic":
        num_done = (round_no - 1) % config.schedule_rounds
    else:
        num_done = min(round_no, config.schedule_rounds) - 1
    share_done = num_done / config.schedule_rounds
    if config.schedule in {"cosine", "cyclic"}:
        return config.learning_rate * (1 + math.cos(math.pi * share_done)) / 2
    return config.learning_rate * 0.1 ** sum(share_done >= mark for mark in STEP_MARKS)


def add_proximal_gradient(model: torch.nn.Module, received: list[Tensor], mu: float) -> None:
    """Add the gradient of mu/2 |w - w_received|^2 to that of the loss.

    So a site with unlike data does not stray far from the others: FedProx (Li et al. 2020,
    https://arxiv.org/abs/1812.06127).
    """
    for weight, weight_received in zip(model.parameters(), received, strict=True):
        if weight.grad is not None:
            weight.grad.add_(weight.detach() - weight_received, alpha=mu)


def balance_classes(is_nodule: BoolArray) -> Tensor:
    """Give the weights of a negative and a positive, so that both classes count alike and the mean is 1."""
    counts = np.bincount(is_nodule.astype(int), minlength=2)
    return torch.tensor(len(is_nodule) / (2 * counts), dtype=torch.float32)


def balanced_loss(logits: Tensor, is_nodule: Tensor, class_weights: Tensor) -> Tensor:
    """Compute the mean weighted binary cross-entropy of logits and targets, both of shape (B,)."""
    return binary_cross_entropy_with_logits(logits, is_nodule, weight=class_weights[is_nodule.long()])


def _place(model: torch.nn.Module, config: TrainingConfig, device: torch.device) -> None:
    """Bring ``model`` to the device; a setting of an earlier run is undone."""
    layout = torch.channels_last_3d if config.channels_last else torch.contiguous_format
    model.to(device).to(memory_format=layout)  # type: ignore[call-overload] # torch's types leave it out


def _change_gradients(model: torch.nn.Module, received: list[Tensor], config: TrainingConfig) -> None:
    if config.proximal_mu:
        add_proximal_gradient(model, received, config.proximal_mu)
    if config.max_gradient_norm:
        clip_grad_norm_(model.parameters(), config.max_gradient_norm)


def count_steps(train: PatchSet, config: TrainingConfig) -> int:
    """Give the number of batches of a round that is counted in epochs, the mean if rounds differ."""
    num_examples = len(sample_epoch(train, config.negatives_per_positive, np.random.default_rng(0)))
    return round(mean(config.epochs_cycle or [config.epochs]) * math.ceil(num_examples / config.batch_size))


def _draw_batches(
    train: PatchSet, config: TrainingConfig, random: np.random.Generator, round_no: int
) -> tuple[IndexArray, list[IndexArray]]:
    """Draw the first epoch, and the batches of all epochs, one after the other, that the round has."""
    first = sample_epoch(train, config.negatives_per_positive, random)
    batches = _cut(first, config.batch_size)
    num_steps = config.steps or config.epochs_in_round(round_no) * len(batches)
    while len(batches) < num_steps:
        batches += _cut(sample_epoch(train, config.negatives_per_positive, random), config.batch_size)
    return first, batches[:num_steps]


def _cut(indices: IndexArray, batch_size: int) -> list[IndexArray]:
    return [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]


def _check_finite(loss: Tensor, step: int, round_no: int) -> None:
    if not loss.isfinite():
        raise ValueError(
            f"Training loss is {loss.item()} at step {step} of round {round_no}. "
            "Lower the learning rate, or check the weights that the round began with."
        )
