"""Scans are dealt out whole, each to one site; counts on the real tables are taken with the csv module."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from luna16.inventory import ScanInfo
from luna16.shard import Deal, deal_by_dirichlet, deal_by_scanner, deal_by_subset, deal_equally

REAL_TABLES = Path(__file__).parents[2] / "shared" / "data" / "luna16"
SITES = ("north", "east", "south")

needs_real_tables = pytest.mark.skipif(
    not REAL_TABLES.is_dir(), reason=f"the challenge's tables are not at {REAL_TABLES}"
)


def read_real_vendors() -> dict[str, str]:
    with (REAL_TABLES / "fed_lidc_metadata.csv").open(newline="") as file:
        return {row["SeriesInstanceUID"]: row["Manufacturer"] for row in csv.DictReader(file)}


def read_real_nodules() -> Counter[str]:
    with (REAL_TABLES / "annotations.csv").open(newline="") as file:
        return Counter(row["seriesuid"] for row in csv.DictReader(file))


@pytest.fixture(scope="module")
def real_scans() -> list[ScanInfo]:
    num_nodules, vendors = read_real_nodules(), read_real_vendors()
    subsets = json.loads((REAL_TABLES / "subset_to_seriesuids.json").read_text())
    return [
        ScanInfo(uid, int(subset), (8.0,) * num_nodules[uid], vendor=f"scanner-{vendors[uid]}")
        for subset, uids in subsets.items()
        for uid in uids
    ]


def make_scans(*nodules_of_subsets: list[int]) -> list[ScanInfo]:
    return [
        ScanInfo(f"2.25.{subset}{i}", subset, (6.0,) * num_nodules, vendor=f"vendor-{subset}")
        for subset, nodules in enumerate(nodules_of_subsets)
        for i, num_nodules in enumerate(nodules)
    ]


def count(deal: Deal) -> dict[str, int]:
    return {site: len(scans) for site, scans in deal.items()}


def all_uids(deal: Deal) -> list[str]:
    return sorted(scan.series_uid for scans in deal.values() for scan in scans)


@needs_real_tables
def test_real_subsets_stay_whole_and_sites_have_alike_many(real_scans: list[ScanInfo]) -> None:
    deal = deal_by_subset(real_scans, SITES)
    subsets = [{scan.subset for scan in scans} for scans in deal.values()]
    assert sorted(map(len, subsets)) == [3, 3, 4]
    assert sorted(subset for of_site in subsets for subset in of_site) == list(range(10))
    assert all_uids(deal) == sorted((REAL_TABLES / "seriesuids.csv").read_text().split())
    assert len(all_uids(deal)) == 888


@needs_real_tables
def test_real_scanners_give_four_shards(real_scans: list[ScanInfo]) -> None:
    listed = (REAL_TABLES / "seriesuids.csv").read_text().split()
    vendors, num_nodules = read_real_vendors(), read_real_nodules()
    deal = deal_by_scanner(real_scans)
    assert sorted(deal) == ["scanner-0", "scanner-1", "scanner-2", "scanner-3"]
    for site, scans in deal.items():
        expected = {uid for uid in listed if vendors[uid] == site[-1]}
        assert {scan.series_uid for scan in scans} == expected
        assert sum(scan.num_nodules for scan in scans) == sum(num_nodules[uid] for uid in expected)
    assert sum(scan.num_nodules for scans in deal.values() for scan in scans) == 1186


@needs_real_tables
def test_real_scans_dealt_equally_differ_by_one(real_scans: list[ScanInfo]) -> None:
    deal = deal_equally(real_scans, ("a", "b", "c", "d", "e"), seed=0)
    with_nodules = [sum(scan.num_nodules > 0 for scan in scans) for scans in deal.values()]
    assert sorted(count(deal).values()) == [177, 177, 178, 178, 178]  # 888 over 5
    assert sum(with_nodules) == len(read_real_nodules()) == 601
    assert max(with_nodules) - min(with_nodules) == 1
    assert len(set(all_uids(deal))) == 888


@needs_real_tables
@pytest.mark.parametrize("alpha", [0.01, 0.5, 1000.0])
def test_real_scans_by_dirichlet_are_all_dealt_once(real_scans: list[ScanInfo], alpha: float) -> None:
    deal = deal_by_dirichlet(real_scans, SITES, alpha=alpha, seed=7)
    assert all_uids(deal) == sorted((REAL_TABLES / "seriesuids.csv").read_text().split())
    assert min(count(deal).values()) >= 2


@needs_real_tables
def test_small_alpha_gives_unlike_sites_and_large_one_like_sites(real_scans: list[ScanInfo]) -> None:
    def spread(alpha: float) -> int:
        deals = [deal_by_dirichlet(real_scans, SITES, alpha=alpha, seed=seed) for seed in range(20)]
        return sum(max(count(deal).values()) - min(count(deal).values()) for deal in deals)

    assert spread(0.1) > 5 * spread(1000.0)


def test_same_seed_gives_the_same_deal_in_any_order_of_scans() -> None:
    scans = make_scans([0, 1, 2, 0, 5, 1], [1, 0, 0, 2, 3, 9])
    for deal in (deal_equally, lambda *args, seed: deal_by_dirichlet(*args, alpha=0.3, seed=seed)):
        assert deal(scans, SITES, seed=3) == deal(scans[::-1], SITES, seed=3)
        assert deal(scans, SITES, seed=3) != deal(scans, SITES, seed=4)


@pytest.mark.parametrize("seed", range(10))
def test_every_site_of_a_very_uneven_deal_gets_two_scans_with_nodules(seed: int) -> None:
    scans = make_scans([0] * 20, [1, 2, 3, 1, 2, 8])
    deal = deal_by_dirichlet(scans, SITES, alpha=1e-6, seed=seed)
    for dealt in deal.values():
        assert sum(scan.num_nodules > 0 for scan in dealt) >= 2


def test_largest_subset_goes_first() -> None:
    scans = make_scans([1] * 3, [1] * 9, [1] * 4, [1] * 3)
    deal = deal_by_subset(scans, ("a", "b"))
    assert {site: {scan.subset for scan in dealt} for site, dealt in deal.items()} == {
        "a": {1},
        "b": {0, 2, 3},
    }


def test_vendors_are_dealt_to_named_sites_by_size() -> None:
    scans = make_scans([1] * 3, [1] * 9, [1] * 4)
    deal = deal_by_scanner(scans, ("big", "small"))
    assert {site: {scan.vendor for scan in dealt} for site, dealt in deal.items()} == {
        "big": {"vendor-1"},
        "small": {"vendor-0", "vendor-2"},
    }


def test_more_sites_than_subsets_or_vendors_is_refused() -> None:
    scans = make_scans([1, 1], [1, 1])
    with pytest.raises(ValueError, match=r"3 sites cannot share 2 subsets.* Name fewer sites"):
        deal_by_subset(scans, SITES)
    with pytest.raises(ValueError, match=r"3 sites cannot share 2 vendors"):
        deal_by_scanner(scans, SITES)


def test_site_of_fewer_than_two_scans_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Site 'south' would have 1 scans, expected at least 2"):
        deal_equally(make_scans([1, 0, 1, 0, 1]), SITES, seed=0)
    with pytest.raises(ValueError, match=r"Site 'vendor-1' would have 1 scans"):
        deal_by_scanner(make_scans([1, 1], [1]))
    with pytest.raises(ValueError, match=r"Site 'south' would have 1 scans"):
        deal_by_dirichlet(make_scans([1, 0, 1, 0, 1]), SITES, alpha=1.0, seed=0)


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ((), "No site is named"),
        (("north", "North"), "Site name 'North' is not accepted"),
        (("../up",), "Site name '../up' is not accepted"),
        (("a", "b", "a"), "Site 'a' is named twice"),
    ],
)
def test_site_names_are_those_that_a_client_can_have(sites: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        deal_equally(make_scans([1] * 12), sites, seed=0)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_is_above_zero(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"expected a number above 0"):
        deal_by_dirichlet(make_scans([1] * 12), SITES, alpha=alpha, seed=0)
