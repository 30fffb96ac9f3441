"""Augmentation changes how a nodule lies and how bright it is, never what it is."""

import math

import torch

from luna16.augmentation import augment, change_intensity, mirror, tilt, turn
from luna16.config import AugmentationConfig

UNCHANGED = AugmentationConfig(
    turn=False, mirror=False, intensity_scale_sd=0, intensity_shift_sd=0, noise_sd=0
)


def make_patches(num: int = 1) -> torch.Tensor:
    return torch.arange(num * 27, dtype=torch.float32).reshape(num, 1, 3, 3, 3) / (num * 27)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_turning_reaches_all_six_orders_of_the_axes() -> None:
    patches = make_patches()
    turned = {tuple(turn(patches, generator(seed)).flatten().tolist()) for seed in range(60)}
    assert len(turned) == 6


def test_mirroring_reaches_all_eight_corners() -> None:
    patches = make_patches()
    corners = {mirror(patches, generator(seed))[0, 0, 0, 0, 0].item() for seed in range(100)}
    assert len(corners) == 8


def test_patches_of_a_batch_are_mirrored_one_by_one() -> None:
    patches = make_patches().repeat(40, 1, 1, 1, 1)
    assert len(mirror(patches, generator())[:, 0, 0, 0, 0].unique()) > 1


def test_turning_and_mirroring_keep_centre_and_voxels() -> None:
    patches = make_patches(4)
    moved = mirror(turn(patches, generator()), generator())
    assert torch.equal(moved[:, 0, 1, 1, 1], patches[:, 0, 1, 1, 1])
    assert torch.equal(moved.flatten(1).sort().values, patches.flatten(1).sort().values)


def test_intensity_changes_a_little_only() -> None:
    patches = make_patches(4)
    change = change_intensity(patches, AugmentationConfig(), generator()) - patches
    assert 0 < change.abs().max() < 0.4


def test_intensity_without_noise_keeps_the_order_of_the_voxels() -> None:
    changed = change_intensity(make_patches(), AugmentationConfig(noise_sd=0), generator())
    assert torch.equal(changed.flatten().argsort(), torch.arange(27))


def make_line(size_vox: int = 33) -> torch.Tensor:
    """Give a patch with a bright line along its last axis, through the middle."""
    patch = torch.zeros(1, 1, size_vox, size_vox, size_vox)
    patch[:, :, :, size_vox // 2] = 1
    return patch


def test_tilt_rotates_a_line_by_no_more_than_asked() -> None:
    config = AugmentationConfig(max_tilt_deg=20)
    ends = []
    for seed in range(30):
        row = tilt(make_line(), config, generator(seed))[0, 0, 0, :, 26].argmax().item()
        ends.append(math.degrees(math.atan((row - 16) / 10)))
    assert max(map(abs, ends)) <= 23  # a voxel at this distance from the middle is three degrees
    assert min(ends) < -8
    assert max(ends) > 8


def test_shift_moves_no_further_than_asked() -> None:
    config = AugmentationConfig(max_shift_vox=3)
    rows = {tilt(make_line(), config, generator(seed))[0, 0, 0, :, 16].argmax().item() for seed in range(40)}
    assert rows == {13, 14, 15, 16, 17, 18, 19}


def test_zoom_changes_the_size_of_a_ball() -> None:
    z, y, x = torch.meshgrid(*[torch.arange(33.0) - 16] * 3, indexing="ij")
    ball = (z**2 + y**2 + x**2 < 64).float()[None, None]
    config = AugmentationConfig(max_zoom_percent=20)
    shares = [(tilt(ball, config, generator(seed)).sum() / ball.sum()).item() for seed in range(30)]
    assert 1 / 1.2**2 - 0.05 < min(shares) < 0.9
    assert 1.1 < max(shares) < 1 / 0.8**2 + 0.05


def test_tilt_repeats_the_border_where_nothing_is_known() -> None:
    patches = torch.full((4, 1, 8, 8, 8), 0.3)
    config = AugmentationConfig(max_tilt_deg=45, max_zoom_percent=50, max_shift_vox=4)
    torch.testing.assert_close(tilt(patches, config, generator()), patches)


def test_same_generator_gives_the_same_batch() -> None:
    patches, config = make_patches(4), AugmentationConfig(max_tilt_deg=10, max_shift_vox=1)
    first = augment(patches, config, generator(1))
    assert torch.equal(first, augment(patches, config, generator(1)))
    assert not torch.equal(first, augment(patches, config, generator(2)))


def test_nothing_changes_when_all_is_off() -> None:
    patches = make_patches(4)
    assert torch.equal(augment(patches, UNCHANGED, generator()), patches)
