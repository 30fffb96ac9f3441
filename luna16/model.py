"""The network that tells a nodule from other tissue, and the device it runs on."""

import torch
from monai.networks.nets.resnet import ResNet
from torch import nn

from luna16.config import ModelConfig

NUM_NORM_GROUPS = 8


def build_model(config: ModelConfig) -> nn.Module:
    """Build the network with weights drawn from ``config.seed``; the global random state stays as it was.

    It takes float32 of shape (B, 1, D, H, W) in [0, 1] and gives logits of shape (B, 1): above 0 means that
    a nodule is likelier than not. ``resnet_slim`` is a 3-D ResNet (He et al. 2016,
    https://arxiv.org/abs/1512.03385) of four single blocks, with GroupNorm in place of BatchNorm (Wu and
    He 2018, https://arxiv.org/abs/1803.08494): 898 thousand parameters.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: nn.Module = ResNet(
            "basic",
            layers=[1, 1, 1, 1],
            block_inplanes=[16, 32, 64, 128],
            spatial_dims=3,
            n_input_channels=1,
            conv1_t_size=3,
            conv1_t_stride=2,
            no_max_pool=True,
            num_classes=1,
        )
    _exchange_batch_norm(network)
    return network


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
