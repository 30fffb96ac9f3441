"""The network that tells a nodule from other tissue, and the device it runs on."""

import torch
from monai.networks.nets.densenet import DenseNet121
from monai.networks.nets.resnet import ResNet
from monai.networks.nets.senet import SEResNet50
from torch import nn

from luna16.config import ModelConfig

NUM_NORM_GROUPS = 8
NUM_STEM_FEATURES = 64


def build_model(config: ModelConfig) -> nn.Module:
    """Build the network with weights drawn from ``config.seed``; the global random state stays as it was.

    It takes float32 of shape (B, 1, D, H, W) in [0, 1], at least 16 voxels a side, and gives logits of shape
    (B, 1): above 0 means that a nodule is likelier than not. All have GroupNorm in place of BatchNorm (Wu and
    He 2018, https://arxiv.org/abs/1803.08494) and a stem for small images: a convolution of 3 voxels and
    stride 2 without pooling, because the usual one shrinks a nodule of 4 mm to one voxel.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = _build_network(config)
    _exchange_batch_norm(network)
    return network


def _build_network(config: ModelConfig) -> nn.Module:
    match config.name:
        case "resnet_slim":
            return _build_resnet([1, 1, 1, 1], [16, 32, 64, 128])
        case "resnet18":
            return _build_resnet([2, 2, 2, 2], [64, 128, 256, 512])
        case "densenet121":
            return _build_densenet121()
        case "seresnet50":
            return _build_seresnet50()


def _build_resnet(num_blocks: list[int], num_features: list[int]) -> nn.Module:
    """Build a ResNet of basic blocks in four stages (He et al. 2016, https://arxiv.org/abs/1512.03385)."""
    network: nn.Module = ResNet(
        "basic",
        layers=num_blocks,
        block_inplanes=num_features,
        spatial_dims=3,
        n_input_channels=1,
        conv1_t_size=3,
        conv1_t_stride=2,
        no_max_pool=True,
        num_classes=1,
    )
    return network


def _build_densenet121() -> nn.Module:
    """Build the DenseNet of 121 layers (Huang et al. 2017, https://arxiv.org/abs/1608.06993)."""
    network: nn.Module = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1)
    network.set_submodule("features.conv0", _make_small_stem())
    network.set_submodule("features.pool0", nn.Identity())
    return network


def _build_seresnet50() -> nn.Module:
    """Build the SE-ResNet of 50 layers (Hu et al. 2018, https://arxiv.org/abs/1709.01507)."""
    network: nn.Module = SEResNet50(spatial_dims=3, in_channels=1, num_classes=1)
    network.set_submodule("layer0.conv1", _make_small_stem())
    network.set_submodule("layer0.pool", nn.Identity())
    return network


def _make_small_stem() -> nn.Conv3d:
    stem = nn.Conv3d(1, NUM_STEM_FEATURES, kernel_size=3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight)
    return stem


def _exchange_batch_norm(module: nn.Module) -> None:
    """Put a GroupNorm in the place of every BatchNorm (MONAI 1.6 would do so in the first layer only)."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm3d):
            setattr(module, name, nn.GroupNorm(NUM_NORM_GROUPS, child.num_features))
        else:
            _exchange_batch_norm(child)


def select_device(name: str = "auto") -> torch.device:
    """Give the device of a name such as "cpu" or "cuda:1"; "auto" is the first GPU, or else the CPU.

    Raises ValueError if this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"Device '{name}' cannot be used on this machine. Try 'auto' or 'cpu'.") from error
    return device


def select_precision(amp: str, device: torch.device) -> torch.dtype | None:
    """Give the 16-bit type that training computes in where that is safe (autocast), or None for float32.

    "auto" is bf16 on a GPU that has it. A CPU computes in float32 whatever is asked, so that one setting
    suits all sites: fp16 is forty times slower there, and bf16 gives wrong gradients (docs/decisions/0007).
    """
    if amp == "off" or device.type == "cpu":
        return None
    if amp == "auto":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]
