"""How often a site is said to differ: on shards that do, and on equal ones that differ by chance only.

Run it with ``python bench/data_shift.py TABLES`` where TABLES holds the challenge's seriesuids.csv and
annotations.csv, and fed_lidc_metadata.csv of FLamby. The phantom of 120 scans takes a minute.
"""

import csv
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from fl_server.data_shift import find_shifts
from luna16.config import DataConfig
from luna16.data_card import ScanFacts, make_data_card
from luna16.dataset import load_shard
from luna16.phantom import write_phantom
from luna16.shard_card import list_facts

VENDORS = ("ge", "philips", "siemens", "canon")  # FLamby's numbers, by LIDC-IDRI's 670, 74, 205 and 69 scans
NUM_DEALS = 200

Facts = Sequence[ScanFacts]


def main(tables: Path) -> None:
    """Print a line for each deal: what was said of its sites."""
    by_vendor = read_real(tables)
    real = [scan for scans in by_vendor.values() for scan in scans]
    show("real, by vendor", by_vendor)
    for sizes in ((662, 148, 73, 5), (222, 222, 222, 222), (20,) * 10, (9, 9, 9)):
        show_random("real", real, sizes)
    with tempfile.TemporaryDirectory() as folder:
        sites = read_phantom(Path(folder))
    for num_scans in (9, 20, 40):
        show(f"phantom, {num_scans} scans a site", {site: scans[:num_scans] for site, scans in sites.items()})
    for sizes in ((9, 9, 9), (13, 13, 13), (6, 30)):
        show_random("phantom, site a", sites["a"], sizes)


def read_real(tables: Path) -> dict[str, list[ScanFacts]]:
    """Read vendors and diameters; spacing and HU are not in the tables."""
    with (tables / "fed_lidc_metadata.csv").open(newline="") as file:
        vendors = {
            row["SeriesInstanceUID"]: VENDORS[int(row["Manufacturer"])] for row in csv.DictReader(file)
        }
    diameters_mm = defaultdict(list)
    with (tables / "annotations.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            diameters_mm[row["seriesuid"]].append(float(row["diameter_mm"]))
    facts = defaultdict(list)
    for uid in (tables / "seriesuids.csv").read_text().split():
        scan = ScanFacts((1.0, 0.7, 0.7), tuple(diameters_mm[uid]), vendor=vendors[uid])
        facts[vendors[uid]].append(scan)
    return dict(facts)


def read_phantom(folder: Path) -> dict[str, list[ScanFacts]]:
    """Write a phantom of three unlike sites and read what a card would count."""
    write_phantom(folder / "scans", num_sites=3, scans_per_site=40, seed=0)
    shards = {
        site: load_shard(folder / "scans", folder / site, DataConfig(), subsets=[number])
        for number, site in enumerate("abc")
    }
    return {site: list(list_facts(folder / "scans", shard)) for site, shard in shards.items()}


def show(title: str, sites: Mapping[str, Facts]) -> None:
    """Print what is said of these sites."""
    shifts = find_shifts({site: make_data_card(scans) for site, scans in sites.items()})
    said = [
        f"{shift.site} {shift.histogram} {shift.distance:.2f} (chance {shift.by_chance:.2f})"
        for shift in shifts
    ]
    print(f"{title}: {'; '.join(said) or 'nothing'}")


def show_random(title: str, scans: Facts, sizes: Sequence[int]) -> None:
    """Print how many random deals of these sizes led to a warning, and of what."""
    random = np.random.default_rng(0)
    ends = np.cumsum((0, *sizes))
    said: Counter[str] = Counter()
    num_warned = 0
    for _ in range(NUM_DEALS):
        order = random.permutation(len(scans))
        cards = {
            f"{i:02}": make_data_card([scans[k] for k in order[start:end]])
            for i, (start, end) in enumerate(pairwise(ends))
        }
        found = [shift.histogram for shift in find_shifts(cards)]
        num_warned += bool(found)
        said.update(found)
    print(
        f"{title}, at random {sizes}: {num_warned} of {NUM_DEALS} deals warned of {dict(said) or 'nothing'}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
