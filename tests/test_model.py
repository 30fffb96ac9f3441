"""The network is the same for the same seed, of the promised size, and without running statistics."""

import pytest
import torch

from luna16.config import ModelConfig
from luna16.model import build_model, select_device


def test_default_model_has_898_thousand_parameters() -> None:
    model = build_model(ModelConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 897_713


def test_patches_become_one_logit_each() -> None:
    logits = build_model(ModelConfig())(torch.zeros(2, 1, 32, 32, 32))
    assert logits.shape == (2, 1)


def test_same_seed_gives_the_same_weights() -> None:
    first, second = (build_model(ModelConfig(seed=3)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights() -> None:
    first, second = (build_model(ModelConfig(seed=seed)).state_dict() for seed in (0, 1))
    assert not torch.equal(first["conv1.weight"], second["conv1.weight"])


def test_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    build_model(ModelConfig())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_only_weights_go_over_the_wire() -> None:
    model = build_model(ModelConfig())
    assert list(model.buffers()) == []
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


def test_cpu_can_be_chosen() -> None:
    assert select_device("cpu") == torch.device("cpu")


def test_auto_is_a_device_that_works() -> None:
    assert torch.ones(1, device=select_device("auto")).item() == 1


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_device_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match=f"Device '{name}' cannot be used on this machine. Try 'auto'"):
        select_device(name)
