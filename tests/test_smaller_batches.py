"""Where the GPU's memory is too small, the work is done anew with half the batch."""

import logging

import numpy as np
import pytest
import torch

from luna16.config import EvaluationConfig, ModelConfig, TrainingConfig
from luna16.evaluation import predict_logits
from luna16.model import build_model
from luna16.smaller_batches import halve_until_it_fits
from luna16.training import TrainResult, train_locally
from tests.test_training import CPU, DATA, make_patch_set

PATCHES = make_patch_set()


class SmallGpu(torch.nn.Module):
    """A network that fails as on a GPU whose memory holds so many patches, in the middle of an epoch."""

    def __init__(self, num_patches: int, *, num_good_steps: int = 1) -> None:
        super().__init__()
        self.network = build_model(ModelConfig())
        self.num_patches = num_patches
        self.num_good_steps = num_good_steps

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        self.num_good_steps -= 1
        if len(patches) > self.num_patches and self.num_good_steps < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        logits: torch.Tensor = self.network(patches)
        return logits


def train(model: torch.nn.Module, batch_size: int) -> TrainResult:
    config = TrainingConfig(epochs=1, batch_size=batch_size, proximal_mu=0.1)
    return train_locally(model, PATCHES, DATA, config, round_no=1, device=CPU)


def test_round_is_trained_anew_as_if_half_the_batch_had_been_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    small, large = SmallGpu(4), SmallGpu(100)
    result, expected = train(small, batch_size=16), train(large, batch_size=4)
    assert (result.batch_size, result.num_steps, result.loss) == (4, expected.num_steps, expected.loss)
    assert all(map(torch.equal, small.state_dict().values(), large.state_dict().values()))
    said = (
        "The GPU ran out of memory with batches of {}: the training of round 1 "
        "begins anew with batches of {}."
    )
    assert caplog.messages == [said.format(16, 8), said.format(8, 4)]


def test_batch_of_one_that_does_not_fit_is_one_line_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"for the training of round 1, even with batches of 1\. End other"):
        train(SmallGpu(0), batch_size=8)


def test_scores_are_those_of_smaller_batches() -> None:
    config = EvaluationConfig(batch_size=32)
    small, large = (
        predict_logits(SmallGpu(num_patches), PATCHES, DATA, config, device=CPU) for num_patches in (8, 100)
    )
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_any_other_error_goes_on_to_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def fail(_batch_size: int) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        halve_until_it_fits(fail, 8, what="the training")
    assert caplog.messages == []
