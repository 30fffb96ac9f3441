"""Random changes of training patches that leave a nodule a nodule."""

import torch
from torch import Tensor

INTENSITY_SCALE_SD = 0.05
INTENSITY_SHIFT_SD = 0.02
NOISE_SD = 0.02


def augment(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, mirror, scale and blur with noise a batch of patches of shape (B, 1, D, H, W) in [0, 1]."""
    return change_intensity(mirror(turn(patches, generator), generator), generator)


def turn(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange the three spatial axes of the whole batch by one random order."""
    order = torch.randperm(3, generator=generator) + 2
    return patches.permute(0, 1, *order.tolist())


def mirror(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each patch along each spatial axis with probability one half."""
    for axis in (2, 3, 4):
        is_mirrored = torch.rand(len(patches), 1, 1, 1, 1, generator=generator) < 0.5
        patches = torch.where(is_mirrored.to(patches.device), patches.flip(axis), patches)
    return patches


def change_intensity(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Scale and shift the brightness of each patch, and add noise to each voxel, as scanners differ."""
    shape = (len(patches), 1, 1, 1, 1)
    scale = 1 + INTENSITY_SCALE_SD * torch.randn(shape, generator=generator)
    shift = INTENSITY_SHIFT_SD * torch.randn(shape, generator=generator)
    noise = NOISE_SD * torch.randn(patches.shape, generator=generator)
    return patches * scale.to(patches.device) + (shift + noise).to(patches.device)
