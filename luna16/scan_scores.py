"""The logits of each scan's candidates, and what is counted and scored from them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from luna16.counts import NUM_SCORE_BINS, EvalCounts, Score, bin_logits, score
from luna16.froc import ScanMarks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ScanScores:
    """One scan: the logits and labels of its candidates, shape (n,), and how they count as marks."""

    series_uid: str = field(repr=False)
    logits: FloatArray
    is_nodule: BoolArray
    marks: ScanMarks


def count_scans(scans: Sequence[ScanScores]) -> EvalCounts:
    """Turn the logits of scans into counts that add up over sites."""
    return _count(scans, bin_logits, NUM_SCORE_BINS)


def score_exactly(scans: Sequence[ScanScores]) -> Score:
    """Score the logits of scans without the error of bins; needs all logits in one place."""
    levels = np.unique(_join(scan.logits for scan in scans))
    return score(_count(scans, lambda logits: np.searchsorted(levels, logits), len(levels)), levels)


def _count(
    scans: Sequence[ScanScores], find_bins: Callable[[FloatArray], IntArray], num_bins: int
) -> EvalCounts:
    def count(logits: FloatArray) -> IntArray:
        return np.bincount(find_bins(logits), minlength=num_bins).astype(np.int64)

    positives = _join(scan.logits[scan.is_nodule] for scan in scans)
    negatives = _join(scan.logits[~scan.is_nodule] for scan in scans)
    return EvalCounts(
        num_scans=len(scans),
        num_nodules=sum(scan.marks.num_nodules for scan in scans),
        positive_loss_sum=float(np.logaddexp(0, -positives).sum()),
        negative_loss_sum=float(np.logaddexp(0, negatives).sum()),
        positives=count(positives),
        negatives=count(negatives),
        nodules_hit=count(_join(scan.marks.hit_scores for scan in scans)),
        false_positives=count(_join(scan.marks.false_positive_scores for scan in scans)),
    )


def _join(parts: Iterable[FloatArray]) -> FloatArray:
    return np.concatenate([np.empty(0), *parts])
