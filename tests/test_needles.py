"""The search for what leaves a site would find a leak: one of each kind is planted."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from luna16.annotations import read_nodules, read_series_uids
from luna16.config import DataConfig
from luna16.dataset import PatchSet, load_shard
from luna16.patches import scale_patches
from tests.needles import find_needles, list_model_parts, list_site_secrets

CONFIG = DataConfig(patch_size_vox=16)
NOISE = np.random.default_rng(0).bytes(1_000_000)
Leak = Callable[[Path, PatchSet], bytes]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def patches(scans: Path, home: Path) -> PatchSet:
    return load_shard(scans, home, CONFIG).train


LEAKS: dict[str, Leak] = {
    "UID of a scan": lambda scans, _patches: read_series_uids(scans)[1].encode(),
    "number of a finding as text": lambda scans, _patches: json.dumps(
        read_nodules(scans)[0].center_xyz_mm
    ).encode(),
    "number of a finding as float64": lambda scans, _patches: struct.pack(
        "<d", read_nodules(scans)[0].diameter_mm
    ),
    "place of a finding as float32": lambda scans, _patches: struct.pack(
        "<3f", *read_nodules(scans)[0].center_xyz_mm
    ),
    "path or file name": lambda scans, _patches: f"{scans}/subset0".encode(),
    "voxels of a scan": lambda scans, _patches: next(scans.rglob("*.raw")).read_bytes(),
    "voxels of a patch": lambda _scans, patches: patches.patches_hu[np.arange(8)].tobytes(),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_leak_is_found_and_named(kind: str, scans: Path, home: Path, patches: PatchSet) -> None:
    leak = LEAKS[kind](scans, patches)
    assert kind in find_needles(list_site_secrets(scans, home), NOISE + leak + NOISE)


def test_patches_are_found_as_the_model_is_given_them(scans: Path, home: Path, patches: PatchSet) -> None:
    batch = scale_patches(patches.patches_hu[np.arange(8)], CONFIG, torch.device("cpu"))
    leak = batch.numpy().tobytes()
    assert find_needles(list_site_secrets(scans, home), NOISE + leak) == {"voxels of a patch"}


def test_nothing_is_found_where_nothing_is(scans: Path, home: Path, patches: PatchSet) -> None:
    assert find_needles(list_site_secrets(scans, home), NOISE) == set()


def test_parts_of_a_model_are_its_first_numbers_and_names() -> None:
    weights = {"stem.weight": np.random.default_rng(1).random(9, np.float32)}
    parts = list_model_parts(weights)
    assert find_needles(parts, NOISE) == set()
    assert find_needles(parts, NOISE + weights["stem.weight"].tobytes()) == {"weights"}
    assert find_needles(parts, b"stem.weight") == {"name of a tensor"}
