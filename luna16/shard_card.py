"""The data card of a shard: its headers, tables and patches, counted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from luna16.annotations import group_by_series
from luna16.data_card import DataCard, ScanFacts, count_hu_parts, make_data_card
from luna16.dataset import PatchSet, Shard
from luna16.inventory import read_scanners
from luna16.scan import Int16Array, ScanFile, find_scans, geometry_of, open_header

PATCHES_PER_SCAN = 16  # 1 MB of a scan's 13 to 65 MB


def make_shard_card(data_root: Path, shard: Shard, *, subsets: Sequence[int] | None = None) -> DataCard:
    """Describe the usable scans of a shard that was loaded from ``data_root``.

    Raises FileNotFoundError, ValueError or OSError if scanners.csv or a header cannot be read.
    """
    return make_data_card(list(list_facts(data_root, shard, subsets=subsets)))


def list_facts(data_root: Path, shard: Shard, *, subsets: Sequence[int] | None = None) -> Iterator[ScanFacts]:
    """Yield what is counted of each scan.

    HU are those of 16 patches a scan, evenly spaced in the order in which they were cut.
    """
    files = {file.series_uid: file for file in find_scans(data_root, subsets)}
    vendors = read_scanners(data_root)
    for side in shard.sides:
        nodules = group_by_series(side.nodules)
        for uid, patches_hu in _sample_patches(side):
            yield ScanFacts(
                spacing_zyx_mm=_read_spacing(files[uid]),
                diameters_mm=tuple(nodule.diameter_mm for nodule in nodules[uid]),
                hu_parts=count_hu_parts(patches_hu) if len(patches_hu) else (),
                vendor=vendors.get(uid, ""),
            )


def _sample_patches(patch_set: PatchSet) -> Iterator[tuple[str, Int16Array]]:
    """Yield each scan and some of its patches, which lie one after the other."""
    num_patches = Counter(candidate.series_uid for candidate in patch_set.candidates)
    first_row = 0
    for uid in patch_set.series_uids:
        last_row = first_row + num_patches[uid] - 1
        places = np.linspace(first_row, last_row, min(num_patches[uid], PATCHES_PER_SCAN))
        yield uid, patch_set.patches_hu[places.round().astype(int)]
        first_row = last_row + 1


def _read_spacing(file: ScanFile) -> tuple[float, float, float]:
    column_mm, row_mm, slice_mm = geometry_of(open_header(file)).spacing_xyz_mm
    return slice_mm, row_mm, column_mm
