"""Sites on one disk: the subsets of a data set, or the shards in a folder."""

import shutil
from pathlib import Path

import pytest

from luna16.config import DataConfig
from luna16.local_sites import LocalSite, find_sites, load_sites
from luna16.recipe import Recipe
from luna16.shard import deal_scans
from luna16.shard_folder import write_shards
from tests.small_data_set import write_small_data_set

CONFIG = DataConfig(patch_size_vox=8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_small_data_set(tmp_path / "data")


def test_each_subset_of_a_data_set_is_a_site(root: Path) -> None:
    assert find_sites(root) == [LocalSite(f"subset{i}", root, (i,)) for i in range(3)]


def test_each_shard_in_a_folder_is_a_site(root: Path, tmp_path: Path) -> None:
    from luna16.inventory import read_inventory

    recipe = Recipe(("north", "east"))
    write_shards(root, tmp_path / "shards", deal_scans(read_inventory(root), recipe), recipe)
    assert [site.name for site in find_sites(tmp_path / "shards")] == ["east", "north"]
    assert sum(site.count_scans() for site in find_sites(tmp_path / "shards")) == 9


@pytest.mark.parametrize(
    ("folder", "words"), [("empty", "neither subset folders nor shards"), ("no", "No data")]
)
def test_folder_without_sites_is_named(tmp_path: Path, folder: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=words):
        find_sites(tmp_path / folder)


def test_shards_are_loaded_by_site_and_progress_is_told_of_all(root: Path, tmp_path: Path) -> None:
    told: list[int] = []
    shards = load_sites(find_sites(root), tmp_path / "cache", CONFIG, on_progress=told.append)
    assert list(shards) == ["subset0", "subset1", "subset2"]
    assert all(shard.train.num_scans + shard.validation.num_scans == 3 for shard in shards.values())
    assert told == sorted(told)
    assert told[-1] == 9


def test_key_of_a_shard_changes_with_its_settings(root: Path, tmp_path: Path) -> None:
    site = find_sites(root)[:1]
    keys = {
        load_sites(site, tmp_path / "cache", config)["subset0"].key
        for config in (CONFIG, CONFIG.model_copy(update={"split_seed": 1}), CONFIG)
    }
    assert len(keys) == 2


def test_scan_at_two_sites_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "shards" / "north")
    shutil.copytree(root, tmp_path / "shards" / "south")
    with pytest.raises(ValueError, match="A scan is at two sites, 'north' and 'south'") as caught:
        load_sites(find_sites(tmp_path / "shards"), tmp_path / "cache", CONFIG)
    assert "2.25" not in str(caught.value)


def test_fault_in_the_data_names_the_site(root: Path, tmp_path: Path) -> None:
    for path in sorted((root / "subset1").glob("*.mhd"))[1:]:
        path.unlink()
    with pytest.raises(ValueError, match=r"^Site 'subset1': 1 scans cannot be divided"):
        load_sites(find_sites(root), tmp_path / "cache", CONFIG)
