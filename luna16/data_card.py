"""What a hospital tells of its data: counts in fixed bins, no cell of which describes fewer than 5 scans.

Two sites are compared by the Jensen-Shannon distance of their histograms (Lin 1991,
https://doi.org/10.1109/18.61115): 0 for equal shares, 1 for shares that have no bin in common.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FEWEST_SCANS_TOLD = 5
EDGES = {
    "nodule_diameter_mm": (4.0, 6.0, 8.0, 10.0, 15.0, 20.0),
    "pixel_spacing_mm": (0.5, 0.6, 0.7, 0.8, 0.9),
    "slice_spacing_mm": (0.75, 1.0, 1.25, 1.5, 2.0, 2.5),
}
"""Inner edges of the bins; a value on an edge is in the bin above it."""

Counts = tuple[int | None, ...]


@dataclass(frozen=True)
class ScanFacts:
    """What is counted of one scan."""

    spacing_zyx_mm: tuple[float, float, float]
    diameters_mm: tuple[float, ...] = ()


@dataclass(frozen=True)
class Histogram:
    """How many of ``total`` are in each bin; None where that would describe too few scans."""

    counts: Counts
    total: int


@dataclass(frozen=True)
class DataCard:
    """A site's data in numbers; None where that would describe too few scans."""

    num_scans: int
    num_scans_with_nodules: int | None
    num_nodules: int | None
    histograms: dict[str, Histogram]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with the edges of the bins."""
        histograms = {
            name: {"edges": list(EDGES[name]), "counts": list(each.counts), "total": each.total}
            for name, each in self.histograms.items()
        }
        return {
            "num_scans": self.num_scans,
            "num_scans_with_nodules": self.num_scans_with_nodules,
            "num_nodules": self.num_nodules,
            "histograms": histograms,
        }


def make_data_card(scans: Sequence[ScanFacts]) -> DataCard:
    """Count scans, nodules and bins; a histogram of fewer than 5 scans is left out."""
    with_nodules = [scan for scan in scans if scan.diameters_mm]
    values: dict[str, list[tuple[float, ...]]] = {
        "nodule_diameter_mm": [scan.diameters_mm for scan in with_nodules],
        "pixel_spacing_mm": [scan.spacing_zyx_mm[1:2] for scan in scans],
        "slice_spacing_mm": [scan.spacing_zyx_mm[:1] for scan in scans],
    }
    return DataCard(
        num_scans=len(scans),
        num_scans_with_nodules=_withhold_few(len(with_nodules), len(with_nodules)),
        num_nodules=_withhold_few(sum(len(scan.diameters_mm) for scan in with_nodules), len(with_nodules)),
        histograms={
            name: make_histogram(of_scans, EDGES[name])
            for name, of_scans in values.items()
            if len(of_scans) >= FEWEST_SCANS_TOLD
        },
    )


def make_histogram(values_of_scans: Iterable[Sequence[float]], edges: Sequence[float]) -> Histogram:
    """Count values into bins; ``values_of_scans`` has those of each scan apart.

    A bin whose values are of fewer than 5 scans is withheld. One such bin alone would follow from the total,
    so the next smallest is withheld with it.
    """
    num_values = np.zeros(len(edges) + 1, dtype=int)
    num_scans = np.zeros(len(edges) + 1, dtype=int)
    for values in values_of_scans:
        bins = np.searchsorted(edges, values, side="right")
        np.add.at(num_values, bins, 1)
        num_scans[np.unique(bins)] += 1
    is_withheld = (num_scans > 0) & (num_scans < FEWEST_SCANS_TOLD)
    others = np.flatnonzero(~is_withheld & (num_values > 0))
    if is_withheld.sum() == 1 and others.size:
        is_withheld[others[np.argmin(num_values[others])]] = True
    counts = tuple(
        None if withheld else int(count) for count, withheld in zip(num_values, is_withheld, strict=True)
    )
    return Histogram(counts, total=int(num_values.sum()))


def find_distance(one: Histogram, other: Histogram) -> float:
    """Return the Jensen-Shannon distance, 0 to 1; bins that either withholds are taken as one."""
    is_told = np.array(
        [a is not None and b is not None for a, b in zip(one.counts, other.counts, strict=True)]
    )
    p, q = _shares(one, is_told), _shares(other, is_told)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(np.clip(divergence, 0, 1)))


def pool(histograms: Sequence[Histogram]) -> Histogram:
    """Return the histogram of several sites together; a bin that one withholds is withheld."""
    counts = zip(*(each.counts for each in histograms), strict=True)
    pooled = tuple(None if None in cells else sum(cell or 0 for cell in cells) for cells in counts)
    return Histogram(pooled, total=sum(each.total for each in histograms))


def _withhold_few(count: int, num_scans: int) -> int | None:
    return None if 0 < num_scans < FEWEST_SCANS_TOLD else count


def _shares(histogram: Histogram, is_told: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the shares of the bins that are told, and last that of all others."""
    told = np.array([count or 0 for count in histogram.counts], dtype=float)[is_told]
    return np.append(told, histogram.total - told.sum()) / histogram.total


def _relative_entropy(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    """Return the Kullback-Leibler divergence in bits; q is nowhere 0 where p is not."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
