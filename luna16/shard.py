"""How the scans of a data set are dealt out to sites: whole scans, each to one site.

Nothing here reads a file. Every function gives the scans of each site, in the order of the sites; the same
scans, sites and seed give the same deal, in whatever order the scans come.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from luna16.inventory import ScanInfo
from luna16.recipe import By, Recipe

SITE_NAME = r"[a-z0-9][a-z0-9-]{0,31}"
MIN_SCANS = 2
MAX_NODULE_CLASS = 4  # so many nodules or more are one class: few scans have them

Deal = dict[str, list[ScanInfo]]
Key = TypeVar("Key", int, str)


def deal_scans(scans: Iterable[ScanInfo], recipe: Recipe) -> Deal:
    """Deal the scans out as ``recipe`` says; ValueError if they cannot be."""
    if recipe.by is By.SUBSET:
        return deal_by_subset(scans, recipe.sites)
    if recipe.by is By.SCANNER:
        return deal_by_scanner(scans, recipe.sites)
    if recipe.by is By.EQUAL:
        return deal_equally(scans, recipe.sites, seed=recipe.seed)
    return deal_by_dirichlet(scans, recipe.sites, alpha=recipe.alpha, seed=recipe.seed)


def deal_by_subset(scans: Iterable[ScanInfo], sites: Sequence[str]) -> Deal:
    """Give whole subsets to the sites, so that these have about the same number of scans.

    Raises ValueError with more sites than subsets, or if a site would have fewer than two scans.
    """
    subsets = _group(scans, lambda scan: scan.subset)
    _check_enough(len(subsets), "subsets", sites)
    return _deal_groups(list(subsets.values()), sites)


def deal_by_scanner(scans: Iterable[ScanInfo], sites: Sequence[str] = ()) -> Deal:
    """Give all scans of a vendor to one site: a site for each vendor, of its name, if ``sites`` is empty.

    Otherwise the vendors are dealt so that the sites have about the same number of scans.

    Raises ValueError with more sites than vendors, or if a site would have fewer than two scans.
    """
    vendors = _group(scans, lambda scan: scan.vendor)
    if not sites:
        _check_sites(list(vendors))
        return _checked(vendors)
    _check_enough(len(vendors), "vendors", sites)
    return _deal_groups(list(vendors.values()), sites)


def deal_equally(scans: Iterable[ScanInfo], sites: Sequence[str], *, seed: int) -> Deal:
    """Deal the scans at random so that sites differ by at most one scan, and one scan with nodules.

    Raises ValueError if a site would have fewer than two scans.
    """
    _check_sites(sites)
    shuffled = _shuffle_nodules_first(scans, np.random.default_rng(seed))
    return _checked({site: shuffled[i :: len(sites)] for i, site in enumerate(sites)})


def deal_by_dirichlet(scans: Iterable[ScanInfo], sites: Sequence[str], *, alpha: float, seed: int) -> Deal:
    """Deal the scans so that sites differ in how many they have, and with how many nodules.

    The scans with 0, 1, 2, 3, and 4 or more nodules are each divided by shares drawn from a symmetric
    Dirichlet distribution, as Hsu et al. 2019 do with labels (https://arxiv.org/abs/1909.06335): a small
    ``alpha`` gives unlike sites, a large one like sites. Before that every site gets two scans, with nodules
    as long as there are any, so that it can train and validate.

    Raises ValueError if ``alpha`` is not above 0 or a site would have fewer than two scans.
    """
    _check_sites(sites)
    if not 0 < alpha < float("inf"):
        raise ValueError(f"alpha is {alpha:g}, expected a number above 0, such as 0.5.")
    random = np.random.default_rng(seed)
    shuffled = _shuffle_nodules_first(scans, random)
    num_first = MIN_SCANS * len(sites)
    deal = {site: shuffled[i : num_first : len(sites)] for i, site in enumerate(sites)}
    for num_nodules in range(MAX_NODULE_CLASS + 1):
        alike = [s for s in shuffled[num_first:] if min(s.num_nodules, MAX_NODULE_CLASS) == num_nodules]
        shares = random.dirichlet([alpha] * len(sites))
        ends = [0, *(np.cumsum(shares) * len(alike)).round().astype(int).tolist()]
        for i, site in enumerate(sites):
            deal[site] += alike[ends[i] : ends[i + 1]]
    return _checked(deal)


def _group(scans: Iterable[ScanInfo], key_of: Callable[[ScanInfo], Key]) -> dict[Key, list[ScanInfo]]:
    """Sort the scans into groups of one subset or vendor, in the order of these."""
    groups: defaultdict[Key, list[ScanInfo]] = defaultdict(list)
    for scan in scans:
        groups[key_of(scan)].append(scan)
    return {key: groups[key] for key in sorted(groups)}


def _deal_groups(groups: list[list[ScanInfo]], sites: Sequence[str]) -> Deal:
    """Give the largest group first, each to the site that has the fewest scans so far."""
    _check_sites(sites)
    deal: Deal = {site: [] for site in sites}
    for group in sorted(groups, key=len, reverse=True):
        min(deal.values(), key=len).extend(group)
    return _checked(deal)


def _shuffle_nodules_first(scans: Iterable[ScanInfo], random: np.random.Generator) -> list[ScanInfo]:
    ordered = sorted(scans, key=lambda scan: scan.series_uid)
    shuffled = [ordered[i] for i in random.permutation(len(ordered))]
    return sorted(shuffled, key=lambda scan: scan.num_nodules == 0)


def _checked(deal: Deal) -> Deal:
    for site, scans in deal.items():
        if len(scans) < MIN_SCANS:
            raise ValueError(
                f"Site '{site}' would have {len(scans)} scans, expected at least {MIN_SCANS}: "
                "one to train on, one to validate with. Name fewer sites."
            )
    return {
        site: sorted(scans, key=lambda scan: (scan.subset, scan.series_uid)) for site, scans in deal.items()
    }


def _check_sites(sites: Sequence[str]) -> None:
    if not sites:
        raise ValueError("No site is named. Name them in --sites, such as --sites north,east,south.")
    for i, site in enumerate(sites):
        if not re.fullmatch(SITE_NAME, site):
            raise ValueError(
                f"Site name {site[:40]!r} is not accepted: 1 to 32 of a-z, 0-9 and '-', such as 'north'."
            )
        if site in sites[:i]:
            raise ValueError(f"Site '{site}' is named twice. Name each site once.")


def _check_enough(num_groups: int, groups: str, sites: Sequence[str]) -> None:
    if len(sites) > num_groups:
        raise ValueError(
            f"{len(sites)} sites cannot share {num_groups} {groups}, as these are not divided. "
            "Name fewer sites or take --by equal."
        )
