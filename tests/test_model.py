"""The network is the same for the same seed, of the promised size, and without running statistics."""

import pytest
import torch
from torch import nn

from luna16.config import ModelConfig
from luna16.model import build_model, select_device, select_precision

NUM_PARAMETERS = {
    "resnet_slim": 897_713,
    "resnet18": 33_141_185,
    "densenet121": 11_223_425,
    "seresnet50": 48_667_889,
}
every_name = pytest.mark.parametrize("name", NUM_PARAMETERS)


def test_default_is_the_slim_one() -> None:
    assert ModelConfig().name == "resnet_slim"


@every_name
def test_size_is_as_the_docs_say(name: str) -> None:
    model = build_model(ModelConfig(name=name))
    assert sum(parameter.numel() for parameter in model.parameters()) == NUM_PARAMETERS[name]


@every_name
@pytest.mark.parametrize("size_vox", [16, 48])
@torch.inference_mode()
def test_patches_become_one_logit_each(name: str, size_vox: int) -> None:
    logits = build_model(ModelConfig(name=name))(torch.zeros(2, 1, size_vox, size_vox, size_vox))
    assert logits.shape == (2, 1)


@every_name
def test_same_seed_gives_the_same_weights(name: str) -> None:
    first, second = (build_model(ModelConfig(name=name, seed=3)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@every_name
def test_another_seed_gives_other_weights(name: str) -> None:
    first, second = (next(build_model(ModelConfig(name=name, seed=seed)).parameters()) for seed in (0, 1))
    assert not torch.equal(first, second)


@every_name
def test_global_random_state_is_left_alone(name: str) -> None:
    before = torch.random.get_rng_state()
    build_model(ModelConfig(name=name))
    assert torch.equal(torch.random.get_rng_state(), before)


@every_name
def test_only_weights_go_over_the_wire(name: str) -> None:
    model = build_model(ModelConfig(name=name))
    assert list(model.buffers()) == []
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


@every_name
def test_no_layer_keeps_statistics_or_drops_features(name: str) -> None:
    layers = list(build_model(ModelConfig(name=name)).modules())
    assert not [layer for layer in layers if isinstance(layer, nn.modules.batchnorm._NormBase)]
    assert not [layer for layer in layers if isinstance(layer, nn.modules.dropout._DropoutNd)]
    assert {layer.num_groups for layer in layers if isinstance(layer, nn.GroupNorm)} == {8}


def test_cpu_can_be_chosen() -> None:
    assert select_device("cpu") == torch.device("cpu")


def test_auto_is_a_device_that_works() -> None:
    assert torch.ones(1, device=select_device("auto")).item() == 1


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_device_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match=f"Device '{name}' cannot be used on this machine. Try 'auto'"):
        select_device(name)


@pytest.mark.parametrize("amp", ["off", "auto", "bf16", "fp16"])
def test_cpu_always_computes_in_float32(amp: str) -> None:
    assert select_precision(amp, torch.device("cpu")) is None


def test_gpu_computes_as_asked() -> None:
    gpu = torch.device("cuda")
    precisions = [select_precision(amp, gpu) for amp in ("off", "bf16", "fp16")]
    assert precisions == [None, torch.bfloat16, torch.float16]
