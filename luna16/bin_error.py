"""How far the scores computed from binned counts may lie from the exact scores of the same logits.

Bins keep the order of the logits and lose only the order within a bin: the best and the worst order there
give the bounds. They hold for every model, and are computed from the counts alone.
"""

from dataclasses import dataclass

import numpy as np

from luna16.counts import (
    NUM_SCORE_BINS,
    EvalCounts,
    FloatArray,
    IntArray,
    Score,
    calibration_bins,
    logits_at,
    score,
    to_probabilities,
)
from luna16.froc import FALSE_POSITIVE_RATES


@dataclass(frozen=True)
class BinError:
    """The greatest distance of each score from the exact one; 0 where there is no score."""

    auc: float
    average_precision: float
    sensitivities: tuple[float, ...]
    cpm: float
    calibration_error: float


def bound_bin_error(counts: EvalCounts) -> BinError:
    """Bound the distance between ``score(counts)`` and the exact scores."""
    binned = score(counts)
    sensitivities = _bound_sensitivities(counts, binned)
    return BinError(
        auc=_bound_auc(counts.positives, counts.negatives),
        average_precision=_bound_average_precision(counts, binned),
        sensitivities=tuple(np.max(sensitivities, axis=0).tolist()),
        cpm=float(np.max(np.mean(sensitivities, axis=1))),
        calibration_error=_bound_calibration_error(counts.positives, counts.negatives),
    )


def _bound_auc(positives: IntArray, negatives: IntArray) -> float:
    """Every pair in one bin counts half; in truth it counts 0 to 1."""
    num_pairs = int(positives.sum()) * int(negatives.sum())
    return float((positives * negatives).sum() / 2 / num_pairs) if num_pairs else 0.0


def _bound_average_precision(counts: EvalCounts, binned: Score) -> float:
    """At worst all negatives of a bin come before its positives; at best none, and the positives tie."""
    if binned.average_precision is None:
        return 0.0
    positives, negatives = counts.positives[::-1], counts.negatives[::-1]
    num_true, num_false = np.cumsum(positives), np.cumsum(negatives)
    rank = np.arange(1, num_true[-1] + 1)
    worst = float((rank / (rank + np.repeat(num_false, positives))).mean())
    best = float(
        (positives * num_true / np.maximum(num_true + num_false - negatives, 1)).sum() / num_true[-1]
    )
    return max(best - binned.average_precision, binned.average_precision - worst)


def _bound_sensitivities(counts: EvalCounts, binned: Score) -> FloatArray:
    """Bound each sensitivity from above and below; float64 of shape (2, 7).

    In a bin the curve goes from (F0, T0) to (F1, T1): at best by (F0, T1), at worst by (F1, T0).
    """
    if binned.sensitivities is None:
        return np.zeros((2, len(FALSE_POSITIVE_RATES)))
    hits = np.concatenate([[0], np.cumsum(counts.nodules_hit[::-1])]) / counts.num_nodules
    rates = np.concatenate([[0], np.cumsum(counts.false_positives[::-1])]) / counts.num_scans
    first, second = slice(None, -1), slice(1, None)
    best = np.interp(FALSE_POSITIVE_RATES, np.repeat(rates, 2)[first], np.repeat(hits, 2)[second])
    worst = np.interp(FALSE_POSITIVE_RATES, np.repeat(rates, 2)[second], np.repeat(hits, 2)[first])
    return np.stack([best - binned.sensitivities, np.array(binned.sensitivities) - worst])


def _bound_calibration_error(positives: IntArray, negatives: IntArray) -> float:
    """Bound it by the width of bins, and by what bins on an edge of calibration may put on either side."""
    if not positives.sum() or not negatives.sum():
        return 0.0
    positive_weights, negative_weights = positives / (2 * positives.sum()), negatives / (2 * negatives.sum())
    edges = to_probabilities(logits_at(np.arange(NUM_SCORE_BINS + 1, dtype=np.float64)))
    edges[0], edges[-1] = 0.0, 1.0  # the outermost bins hold what lies beyond
    widths = (positive_weights + negative_weights) * np.diff(edges)
    gaps = np.maximum(negative_weights * edges[1:], positive_weights * (1 - edges[:-1]))
    return float((widths + 2 * gaps * (np.diff(calibration_bins(edges)) > 0)).sum())
