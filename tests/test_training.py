"""One round of local training: it learns, it is repeatable, and it stops at a loss that is no number."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from luna16.annotations import Candidate
from luna16.config import AugmentationConfig, DataConfig, ModelConfig, TrainingConfig
from luna16.dataset import PatchSet
from luna16.model import build_model
from luna16.training import (
    TrainResult,
    add_proximal_gradient,
    balance_classes,
    balanced_loss,
    count_steps,
    learning_rate_in_round,
    train_locally,
)

CPU = torch.device("cpu")
DATA = DataConfig(patch_size_vox=16)
UNCHANGED = AugmentationConfig(
    turn=False, mirror=False, intensity_scale_sd=0, intensity_shift_sd=0, noise_sd=0
)


def make_patch_set(num_positives: int = 8, num_negatives: int = 40, size_vox: int = 16) -> PatchSet:
    """Positives have a bright ball in the middle, negatives a bright rod through it."""
    labels = [True] * num_positives + [False] * num_negatives
    z, y, x = np.indices([size_vox] * 3) - (size_vox - 1) / 2
    ball, rod = z**2 + y**2 + x**2 < 16, y**2 + x**2 < 6
    noise = np.random.default_rng(0).normal(-850, 20, (len(labels), *[size_vox] * 3))
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


class RowRecorder(torch.nn.Module):
    """Sees patches whose every voxel is the number of their row, and remembers which came."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))
        self.rows: list[int] = []

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        self.rows += (patches[:, 0, 0, 0, 0] * 1000).round().int().tolist()
        return self.bias.expand(len(patches), 1)

    @classmethod
    def watch(cls, round_no: int, num_positives: int = 4, num_negatives: int = 90) -> list[set[int]]:
        """Give the rows of each of two epochs of a round; the positives come first."""
        labels = [True] * num_positives + [False] * num_negatives
        numbered = replace(
            make_patch_set(num_positives, num_negatives),
            patches_hu=np.arange(len(labels), dtype=np.int16).reshape(-1, 1, 1, 1),
        )
        model, data = cls(), DataConfig(hu_min=0, hu_max=1000)
        config = TrainingConfig(epochs=2, negatives_per_positive=5, augmentation=UNCHANGED)
        train_locally(model, numbered, data, config, round_no=round_no, device=CPU)
        return [set(model.rows[:24]), set(model.rows[24:])]


def test_patches_that_cannot_be_read_end_the_round() -> None:
    class Torn:
        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            raise OSError("Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        train(build_model(ModelConfig()), train_set=replace(make_patch_set(), patches_hu=Torn()))


def test_round_of_so_many_steps_takes_them_over_epochs_if_it_must() -> None:
    # 8 positives and 24 negatives are 4 batches of 8 an epoch
    for steps in (1, 4, 10):
        assert train(build_model(ModelConfig()), steps=steps, epochs=3).num_steps == steps


def test_steps_of_an_epoch_are_those_of_epochs() -> None:
    assert torch.equal(weights_after(1, steps=8), weights_after(1, epochs=2))


def test_steps_of_a_round_are_known_beforehand() -> None:
    config = TrainingConfig(epochs=3, batch_size=8)
    assert count_steps(make_patch_set(), config) == train(build_model(ModelConfig()), epochs=3).num_steps


def test_round_has_the_epochs_of_its_place_in_the_cycle() -> None:
    for round_no, num_epochs in ((1, 1), (2, 3), (3, 1)):
        result = train(build_model(ModelConfig()), round_no=round_no, epochs_cycle=(1, 3))
        assert result.num_steps == 4 * num_epochs
    config = TrainingConfig(epochs_cycle=(1, 3), batch_size=8)
    assert count_steps(make_patch_set(), config) == 2 * 4  # on average


def test_every_epoch_and_round_has_all_positives_and_other_negatives() -> None:
    epochs = [*RowRecorder.watch(1), *RowRecorder.watch(2)]
    assert all(len(rows) == 24 and {0, 1, 2, 3} < rows for rows in epochs)
    assert len(set(map(frozenset, epochs))) == 4
    assert RowRecorder.watch(1) == epochs[:2]


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


def test_same_seed_gives_the_same_weights_with_every_setting_on() -> None:
    settings = {
        "max_gradient_norm": 1.0,
        "proximal_mu": 0.1,
        "amp": "auto",
        "channels_last": True,
        "schedule": "cosine",
        "schedule_rounds": 5,
        "augmentation": {"max_tilt_deg": 10, "max_zoom_percent": 10, "max_shift_vox": 1},
    }
    assert torch.equal(weights_after(3, **settings), weights_after(3, **settings))


@pytest.mark.parametrize(
    ("name", "size_vox"),
    [("resnet_slim", 16), ("resnet_slim", 48), ("resnet18", 16), ("densenet121", 16), ("seresnet50", 16)],
)
@pytest.mark.slow
def test_every_model_changes_all_its_weights_in_a_step(name: str, size_vox: int) -> None:
    model = build_model(ModelConfig(name=name))
    before = [weight.detach().clone() for weight in model.parameters()]
    train(model, train_set=make_patch_set(1, 1, size_vox), max_gradient_norm=1.0, proximal_mu=0.1)
    assert not any(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


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


def test_constant_rate_is_the_same_in_every_round() -> None:
    assert {learning_rate_in_round(TrainingConfig(), round_no) for round_no in (1, 7, 999)} == {5e-4}


def test_cosine_rate_falls_to_its_last_round_and_stays() -> None:
    config = TrainingConfig(learning_rate=1.0, schedule="cosine", schedule_rounds=4)
    rates = [learning_rate_in_round(config, round_no) for round_no in range(1, 7)]
    root = math.sqrt(0.5)
    assert rates == pytest.approx([1, (1 + root) / 2, 0.5, (1 - root) / 2, (1 - root) / 2, (1 - root) / 2])


def test_step_rate_falls_at_a_half_and_at_three_quarters() -> None:
    config = TrainingConfig(learning_rate=1.0, schedule="step", schedule_rounds=8)
    rates = [learning_rate_in_round(config, round_no) for round_no in range(1, 10)]
    assert rates == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 3)


def test_cyclic_rate_falls_and_begins_again() -> None:
    config = TrainingConfig(learning_rate=1.0, schedule="cyclic", schedule_rounds=3)
    rates = [learning_rate_in_round(config, round_no) for round_no in range(1, 8)]
    assert rates == pytest.approx([1, 0.75, 0.25, 1, 0.75, 0.25, 1])


def test_rate_that_falls_over_an_unknown_number_of_rounds() -> None:
    with pytest.raises(ValueError, match=r"training.schedule is 'cosine', but schedule_rounds is 0"):
        learning_rate_in_round(TrainingConfig(schedule="cosine"), 1)


def test_later_round_of_a_schedule_moves_the_weights_less() -> None:
    start = torch.cat([weight.detach().flatten() for weight in build_model(ModelConfig()).parameters()])
    schedule = {"schedule": "cosine", "schedule_rounds": 10}
    early, late = ((weights_after(round_no, **schedule) - start).norm() for round_no in (1, 10))
    assert late < early / 10


def test_proximal_gradient_is_that_of_the_papers_formula() -> None:
    model, received = torch.nn.Linear(3, 2), [torch.zeros(2, 3), torch.ones(2)]
    loss = model(torch.ones(1, 3)).square().sum()
    distance = sum((w - r).square().sum() for w, r in zip(model.parameters(), received, strict=True))
    expected = torch.autograd.grad(loss + 0.3 / 2 * distance, list(model.parameters()), retain_graph=True)
    loss.backward()
    add_proximal_gradient(model, received, mu=0.3)
    for weight, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


def test_proximal_term_keeps_weights_nearer_to_those_received() -> None:
    start = torch.cat([weight.detach().flatten() for weight in build_model(ModelConfig()).parameters()])
    free, held = ((weights_after(1, epochs=3, proximal_mu=mu) - start).norm() for mu in (0, 10))
    assert held < 0.8 * free


def test_gradient_is_cut_to_its_largest_norm() -> None:
    model = build_model(ModelConfig())
    train(model, max_gradient_norm=1e-3)
    norm = torch.stack([weight.grad.norm() for weight in model.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_channels_last_changes_rounding_only() -> None:
    torch.testing.assert_close(weights_after(1), weights_after(1, channels_last=True), rtol=0, atol=1e-3)


def test_layout_of_an_earlier_run_is_undone() -> None:
    model = build_model(ModelConfig())
    train(model, channels_last=True)
    train(model, channels_last=False)
    assert all(weight.is_contiguous() for weight in model.parameters())
