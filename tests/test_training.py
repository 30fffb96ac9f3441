"""One round of local training: it learns, it is repeatable, and it stops at a loss that is no number."""

import math

import numpy as np
import pytest
import torch

from luna16.annotations import Candidate
from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.dataset import PatchSet
from luna16.model import build_model
from luna16.training import TrainResult, balance_classes, balanced_loss, train_locally

CPU = torch.device("cpu")
DATA = DataConfig(patch_size_vox=16)


def make_patch_set(num_positives: int = 8, num_negatives: int = 40) -> PatchSet:
    """Positives have a bright ball in the middle, negatives a bright rod through it."""
    labels = [True] * num_positives + [False] * num_negatives
    z, y, x = np.indices((16, 16, 16)) - 7.5
    ball, rod = z**2 + y**2 + x**2 < 16, y**2 + x**2 < 6
    noise = np.random.default_rng(0).normal(-850, 20, (len(labels), 16, 16, 16))
    shapes = np.stack([ball if label else rod for label in labels])
    return PatchSet(
        patches_hu=np.where(shapes, 0, noise).astype(np.int16),
        candidates=tuple(Candidate("2.25.1", (0.0, 0.0, 0.0), label) for label in labels),
        series_uids=("2.25.1",),
        nodules=(),
        excluded=(),
    )


def train(
    model: torch.nn.Module, *, round_no: int = 1, train_set: PatchSet | None = None, **settings
) -> TrainResult:
    config = TrainingConfig(**({"epochs": 1, "batch_size": 8} | settings))
    return train_locally(model, train_set or make_patch_set(), DATA, config, round_no=round_no, device=CPU)


def weights_after(round_no: int, **settings) -> torch.Tensor:
    model = build_model(ModelConfig())
    train(model, round_no=round_no, **settings)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.slow
def test_loss_falls_below_that_of_guessing() -> None:
    model = build_model(ModelConfig())
    losses = [train(model, round_no=round_no, epochs=4).loss for round_no in range(3)]
    assert losses[0] > losses[-1]
    assert losses[-1] < 0.5 * math.log(2)


def test_result_counts_examples_of_an_epoch_and_all_steps() -> None:
    result = train(build_model(ModelConfig()), epochs=2, negatives_per_positive=3)
    assert (result.num_examples, result.num_steps) == (32, 8)
    assert result.seconds > 0


def test_same_seed_and_round_give_the_same_weights() -> None:
    assert torch.equal(weights_after(3), weights_after(3))


def test_another_round_or_seed_gives_other_weights() -> None:
    assert not torch.equal(weights_after(3), weights_after(4))
    assert not torch.equal(weights_after(3), weights_after(3, seed=1))


def test_global_random_state_does_not_matter() -> None:
    torch.manual_seed(1)
    first = weights_after(1)
    torch.manual_seed(2)
    assert torch.equal(first, weights_after(1))


def test_every_step_is_told() -> None:
    steps: list[tuple[int, int]] = []
    config = TrainingConfig(epochs=2, batch_size=16)
    train_locally(
        build_model(ModelConfig()),
        make_patch_set(),
        DATA,
        config,
        round_no=1,
        device=CPU,
        on_step=lambda *step: steps.append(step),
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_loss_that_is_no_number_names_step_and_round() -> None:
    model = build_model(ModelConfig())
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(
        ValueError, match=r"Training loss is nan at step 1 of round 7. Lower the learning rate"
    ):
        train(model, round_no=7)


def test_shard_without_positives_cannot_train() -> None:
    with pytest.raises(ValueError, match=r"have 0 candidates that are nodules"):
        train(build_model(ModelConfig()), train_set=make_patch_set(num_positives=0))


def test_classes_count_alike_and_the_mean_weight_is_one() -> None:
    weights = balance_classes(np.array([True, False, False, False]))
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    assert (3 * weights[0] + weights[1]) / 4 == pytest.approx(1)


def test_balanced_loss_computed_by_hand() -> None:
    loss = balanced_loss(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.5]))
    assert loss.item() == pytest.approx(math.log(2))
