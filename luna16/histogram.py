"""Counts in fixed bins that describe no fewer than 5 scans, and how unlike two of them are.

The distance is that of Jensen and Shannon (Lin 1991, https://doi.org/10.1109/18.61115): 0 for equal shares,
1 for shares that have no bin in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FEWEST_SCANS_TOLD = 5


@dataclass(frozen=True)
class Histogram:
    """How many of ``total`` are in each bin; None where that would describe too few scans.

    ``num_draws`` is how many independent draws the shares are worth: for one count a scan the number of
    scans, for voxels far fewer than there are, as those of a scan are alike.
    """

    counts: tuple[int | None, ...]
    total: int
    num_draws: int


def can_tell(num_scans: int) -> bool:
    """Say whether a count of so many scans may be told: of none, or of no fewer than 5."""
    return num_scans == 0 or num_scans >= FEWEST_SCANS_TOLD


def make_histogram(rows: IntArray) -> Histogram | None:
    """Add up the counts of scans, of shape (scans, bins), none of which is 0 in all bins.

    Bins that count fewer than 5 scans are withheld. Their sum follows from the total, so the smallest other
    bin is withheld with them, and those that equal it: any of them may then be the one that is not small.

    Returns None if nothing is left to tell.
    """
    is_withheld = _choose_withheld(rows)
    counts = rows.sum(axis=0)
    if not counts[~is_withheld].any():
        return None
    told = (
        None if withheld else count
        for count, withheld in zip(counts.tolist(), is_withheld.tolist(), strict=True)
    )
    # The draws are those of the bins as told: else they would give away what is withheld.
    merged = np.column_stack([rows[:, ~is_withheld], rows[:, is_withheld].sum(axis=1)])
    return Histogram(tuple(told), int(counts.sum()), _count_draws(merged))


def pool(histograms: Sequence[Histogram]) -> Histogram:
    """Return the histogram of several sites together; a bin that one withholds is withheld."""
    counts = zip(*(each.counts for each in histograms), strict=True)
    return Histogram(
        tuple(None if None in cells else sum(cell or 0 for cell in cells) for cells in counts),
        total=sum(each.total for each in histograms),
        num_draws=sum(each.num_draws for each in histograms),
    )


def find_told(one: Histogram, other: Histogram) -> BoolArray:
    """Return which bins both tell."""
    pairs = zip(one.counts, other.counts, strict=True)
    return np.array([None not in pair for pair in pairs])


def find_shares(histogram: Histogram, is_told: BoolArray) -> FloatArray:
    """Return the shares of the bins that are told, and last that of all others together."""
    told = np.array([count or 0 for count in histogram.counts], dtype=float)[is_told]
    return np.append(told, histogram.total - told.sum()) / histogram.total


def find_distance(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the Jensen-Shannon distance, 0 to 1, of shares along the last axis."""
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    distance: FloatArray = np.sqrt(np.clip(divergence, 0, 1))
    return distance


def _choose_withheld(rows: IntArray) -> BoolArray:
    num_scans, counts = (rows > 0).sum(axis=0), rows.sum(axis=0)
    is_withheld: BoolArray = (num_scans > 0) & (num_scans < FEWEST_SCANS_TOLD)
    others = counts[~is_withheld & (counts > 0)]
    if is_withheld.any() and others.size:
        is_withheld |= counts == others.min()
    return is_withheld


def _count_draws(rows: IntArray) -> int:
    """Return the size of the multinomial sample whose shares stray as far as those of these scans.

    It is the second-order correction of Rao and Scott (1981, https://doi.org/10.1080/01621459.1981.10477633)
    at one sample in a thousand: the variance between scans beside that of one draw, and a longer tail where
    bins move together, as those of a bright scan do.
    """
    counts = rows.sum(axis=0)
    rows, shares = rows[:, counts > 0], counts[counts > 0] / counts.sum()
    strays = (rows - rows.sum(axis=1, keepdims=True) * shares) / (counts.sum() * np.sqrt(shares))
    products = strays.T @ strays * len(rows) / (len(rows) - 1)
    spread, num_free = np.trace(products), len(shares) - 1
    if spread == 0:  # one bin, or all scans are alike
        return int(counts.sum())
    num_directions = spread**2 / np.sum(products**2)
    num_draws = num_free / spread * _reach(num_free) / _reach(num_directions)
    return int(np.clip(np.rint(num_draws), 1, counts.sum()))


def _reach(num_free: float) -> float:
    """Return what one chi-square value in a thousand exceeds, beside the mean (Wilson and Hilferty 1931)."""
    variance = 2 / (9 * num_free)
    return float((1 - variance + 3.09 * np.sqrt(variance)) ** 3)


def _relative_entropy(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the Kullback-Leibler divergence in bits along the last axis; q is nowhere 0 where p is not."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log2(ratio)).sum(axis=-1))
