"""Random changes of training patches that leave a nodule a nodule.

They work on whole batches of tensors: MONAI's transforms, one patch after the other, cost up to two thirds
of a step of the default model on the CPU (docs/decisions/0007).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from luna16.config import AugmentationConfig


def augment(patches: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Change a batch of patches of shape (B, 1, D, H, W) in [0, 1] at random, as ``config`` says."""
    if config.turn:
        patches = turn(patches, generator)
    if config.mirror:
        patches = mirror(patches, generator)
    if config.max_tilt_deg or config.max_zoom_percent or config.max_shift_vox:
        patches = tilt(patches, config, generator)
    return change_intensity(patches, config, generator)


def turn(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Exchange the three spatial axes of the whole batch by one random order.

    With ``mirror`` it gives every turn by 90 degrees.
    """
    order = torch.randperm(3, generator=generator) + 2
    return patches.permute(0, 1, *order.tolist())


def mirror(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each patch along each spatial axis with probability one half."""
    is_mirrored = torch.rand(3, len(patches), generator=generator).T < 0.5
    return torch.stack(
        [
            patch.flip([axis for axis in (1, 2, 3) if along[axis - 1]])
            for patch, along in zip(patches, is_mirrored, strict=True)
        ]
    )


def tilt(patches: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Rotate, zoom and shift each patch a little in the plane of its last two axes.

    ``turn`` makes that plane a random one. All layers of a patch move alike, so one plane of places is
    computed, not a cube: a tenth of the time. What comes in from outside repeats the border.
    """
    size_vox = patches.shape[-1]
    largest = torch.tensor(
        [
            math.radians(config.max_tilt_deg),
            config.max_zoom_percent / 100,
            *[config.max_shift_vox * 2 / size_vox] * 2,
        ]
    )
    angle, zoom, shift_y, shift_x = largest[:, None] * (
        2 * torch.rand(4, len(patches), generator=generator) - 1
    )
    cos, sin = angle.cos() * (1 + zoom), angle.sin() * (1 + zoom)
    rows = torch.stack([cos, -sin, shift_x, sin, cos, shift_y], dim=1).view(-1, 2, 3)
    layers = patches.squeeze(1)
    grid = affine_grid(rows.to(patches.device), list(layers.shape), align_corners=False)
    return grid_sample(layers, grid, padding_mode="border", align_corners=False).unsqueeze(1)


def change_intensity(patches: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Scale and shift the brightness of each patch, and add noise to each voxel, as scanners differ."""
    shape = (len(patches), 1, 1, 1, 1)
    scale = 1 + config.intensity_scale_sd * torch.randn(shape, generator=generator)
    shift = config.intensity_shift_sd * torch.randn(shape, generator=generator)
    if not config.noise_sd:
        return patches * scale.to(patches.device) + shift.to(patches.device)
    noise = _draw_noise(patches, generator).mul_(config.noise_sd).add_(shift.to(patches.device))
    return noise.addcmul_(patches, scale.to(patches.device))


def _draw_noise(patches: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a normal number for each voxel, on a GPU there: a CPU would take longer than the GPU's step."""
    if patches.device.type != "cpu":
        seed = int(torch.randint(2**62, (), generator=generator))
        generator = torch.Generator(patches.device).manual_seed(seed)
    return torch.randn(patches.shape, device=patches.device, generator=generator)
