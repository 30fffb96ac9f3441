"""Augmentation changes how a nodule lies and how bright it is, never what it is."""

import torch

from luna16.augmentation import augment, change_intensity, mirror, turn


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
    change = change_intensity(patches, generator()) - patches
    assert 0 < change.abs().max() < 0.4


def test_same_generator_gives_the_same_batch() -> None:
    patches = make_patches(4)
    assert torch.equal(augment(patches, generator(1)), augment(patches, generator(1)))
    assert not torch.equal(augment(patches, generator(1)), augment(patches, generator(2)))
