"""The card of a shard on disk: its headers, tables and patches, without the scans that were set aside."""

from pathlib import Path

import pytest

from luna16.config import DataConfig
from luna16.dataset import Shard, load_shard
from luna16.patch_plan import plan_patches
from luna16.shard_card import PATCHES_PER_SCAN, list_facts, make_shard_card
from tests.small_data_set import write_small_data_set

CONFIG = DataConfig(patch_size_vox=8)
VENDORS = "seriesuid,vendor\n" + "".join(f"2.25.{k}000{i},GE\n" for k in range(2) for i in range(3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Nine scans with 9 nodules; the six of the first two subsets are of a known vendor."""
    root = write_small_data_set(tmp_path / "data")
    (root / "scanners.csv").write_text(VENDORS)
    return root


def load(root: Path) -> Shard:
    return load_shard(root, root.parent / "patches", CONFIG)


def test_card_is_of_headers_and_tables(root: Path) -> None:
    card = make_shard_card(root, load(root))
    assert (card.num_scans, card.num_scans_with_nodules, card.num_nodules) == (9, None, 9)
    assert card.histograms["pixel_spacing_mm"].counts == (0, 0, 0, 0, 0, 9)
    assert card.histograms["slice_spacing_mm"].counts == (0, 0, 9, 0, 0, 0, 0)
    assert "nodule_diameter_mm" not in card.histograms  # 3 nodules of 2 scans, and 6 of 4


def test_vendors_of_few_scans_are_left_out(root: Path) -> None:
    assert "vendor" not in make_shard_card(root, load(root)).histograms  # 6 ge and 3 unknown


def test_hu_are_those_of_the_patches_and_each_scan_weighs_a_thousand(root: Path) -> None:
    shard = load(root)
    facts = list(list_facts(root, shard))
    first = shard.train.series_uids[0]
    rows = [i for i, candidate in enumerate(shard.train.candidates) if candidate.series_uid == first]
    share_of_air = float((shard.train.patches_hu[rows] < -950).mean())
    assert facts[0].hu_parts[0] == round(1000 * share_of_air)
    assert [sum(scan.hu_parts) for scan in facts] == [1000] * 9


def test_only_some_patches_of_a_scan_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = root / "candidates_V2.csv"
    table.write_text(table.read_text() + "2.25.00000,1.0,2.0,2.5,0\n" * 99)
    num_read = []
    monkeypatch.setattr(
        "luna16.shard_card.count_hu_parts", lambda hu: num_read.append(len(hu)) or (1000,) * 11
    )
    make_shard_card(root, load(root))
    assert max(num_read) == PATCHES_PER_SCAN


def test_scan_that_was_set_aside_is_not_in_it(root: Path) -> None:
    (root / "subset2" / "2.25.20000.raw").unlink()
    assert make_shard_card(root, load(root)).num_scans == 8


def test_card_of_some_subsets_is_of_their_scans(root: Path) -> None:
    shard = load_shard(root, root.parent / "patches", CONFIG, subsets=[0, 1])
    card = make_shard_card(root, shard, subsets=[0, 1])
    assert card.histograms["vendor"].counts == (0, 6, 0, 0, 0, 0)


def test_table_of_scanners_may_change_without_a_patch_being_cut_anew(root: Path) -> None:
    key = plan_patches(root, CONFIG).make_key()
    (root / "scanners.csv").write_text(VENDORS.replace("GE", "Siemens"))
    assert plan_patches(root, CONFIG).make_key() == key
    (root / "scanners.csv").unlink()
    assert plan_patches(root, CONFIG).make_key() == key
