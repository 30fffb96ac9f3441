"""Evaluation results that add up: counts per score bin, and the scores computed from their sum.

A site reports how many candidates and nodules fell in each bin, not averages. Adding the counts of
many sites and scoring the sum gives one pooled AUC, FROC and CPM for the federation.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from luna16.froc import sensitivities_at_rates

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]

NUM_SCORE_BINS = 2000
MAX_LOGIT = 32.0
LINEAR_LOGIT = 0.25
NUM_CALIBRATION_BINS = 10
NUM_BANDS = 4
NUM_REPLICATES = 500
SCORE_BINS_PER_BIN = 4
NUM_REPLICATE_BINS = NUM_SCORE_BINS // SCORE_BINS_PER_BIN


def bin_logits(logits: FloatArray) -> IntArray:
    """Give each logit its bin, 0 (surely no nodule) to NUM_SCORE_BINS - 1.

    Bins are even in asinh(logit / 0.25) over +-32, so their width is 0.0014 at 0 and grows to 0.6 % of the
    logit: fine enough for a fresh model, whose logits crowd around 0, and for a confident one, whose
    probabilities crowd at 0 and 1. Measured: AUC within 0.001, CPM and calibration error within 0.01 and
    average precision within 0.02 of the exact values; ``bin_error.bound_bin_error`` bounds any counts'.
    """
    limit = np.arcsinh(MAX_LOGIT / LINEAR_LOGIT)
    position = (np.arcsinh(logits / LINEAR_LOGIT) / limit + 1) / 2
    bins: IntArray = np.clip(position * NUM_SCORE_BINS, 0, NUM_SCORE_BINS - 1).astype(np.int64)
    return bins


def logits_at(positions: FloatArray) -> FloatArray:
    """Give the logits at positions on the scale of bins: bin 7 begins at 7.0, its middle is 7.5."""
    limit = np.arcsinh(MAX_LOGIT / LINEAR_LOGIT)
    logits: FloatArray = LINEAR_LOGIT * np.sinh((positions / NUM_SCORE_BINS * 2 - 1) * limit)
    return logits


def count_by_bin(logits: FloatArray) -> IntArray:
    """Count logits per bin; int64 of shape (NUM_SCORE_BINS,)."""
    return np.bincount(bin_logits(logits), minlength=NUM_SCORE_BINS).astype(np.int64)


@dataclass(frozen=True)
class Additive:
    """A record whose fields all add up over sites."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, eq=False)
class EvalCounts(Additive):
    """What a site tells of one evaluation; all fields add up over sites.

    ``positives`` and ``negatives`` count candidates by their label, for the ROC. ``nodules_hit`` and
    ``false_positives`` count marks by the rules of the LUNA16 challenge, for the FROC; a nodule that no
    mark hit is only in ``num_nodules``. The four arrays are int64 of shape (NUM_SCORE_BINS,). The two
    sums of binary cross-entropy are over the positives and over the negatives.
    """

    num_scans: int
    num_nodules: int
    positive_loss_sum: float
    negative_loss_sum: float
    positives: IntArray
    negatives: IntArray
    nodules_hit: IntArray
    false_positives: IntArray

    @classmethod
    def zero(cls) -> "EvalCounts":
        """Give the counts of no scans, to which others can be added."""
        empty = np.zeros(NUM_SCORE_BINS, dtype=np.int64)
        return cls(0, 0, 0.0, 0.0, empty, empty, empty, empty)

    @property
    def num_examples(self) -> int:
        """The number of candidates that were scored."""
        return int(self.positives.sum() + self.negatives.sum())


@dataclass(frozen=True, eq=False)
class BandCounts(Additive):
    """The nodules of each band, int64 of shape (4,), and those hit by score bin, (4, NUM_SCORE_BINS)."""

    num_nodules: IntArray
    nodules_hit: IntArray

    @classmethod
    def zero(cls) -> "BandCounts":
        """Give the counts of no scans, to which others can be added."""
        return cls(np.zeros(NUM_BANDS, np.int64), np.zeros((NUM_BANDS, NUM_SCORE_BINS), np.int64))


@dataclass(frozen=True, eq=False)
class Replicates(Additive):
    """The counts of B replicates; all fields add up over sites that agree on B.

    Scans and nodules are int32 of shape (B,), the others of shape (B, 500), four score bins in one: 4 MB for
    500 replicates. For a trained model the coarser bins move the ends of an interval by about 0.002 of AUC or
    CPM and 0.006 of average precision.

    They tell more than ``EvalCounts``: bins that rise and fall together are of one scan, and whoever knows
    the weights can solve for the counts of single scans. So a site draws from a seed that it tells nobody.
    """

    num_scans: Int32Array
    num_nodules: Int32Array
    positives: Int32Array
    negatives: Int32Array
    nodules_hit: Int32Array
    false_positives: Int32Array

    @property
    def num_bytes(self) -> int:
        """The size of all fields together."""
        return sum(array.nbytes for array in vars(self).values())


@dataclass(frozen=True)
class Score:
    """How good a model is; a value is None where the counts do not define it.

    ``sensitivities`` are at the rates of ``froc.FALSE_POSITIVE_RATES``; ``cpm`` is their mean. ``loss`` is
    the cross-entropy with positives and negatives weighted alike: ln 2 = 0.69 for a model that knows nothing.
    ``calibration_error`` weighs them alike too, as training does.
    """

    auc: float | None
    sensitivities: tuple[float, ...] | None
    cpm: float | None
    loss: float | None
    average_precision: float | None = None
    calibration_error: float | None = None


def score(counts: EvalCounts, bin_values: FloatArray | None = None) -> Score:
    """Compute the scores from counts of one or many sites.

    ``bin_values`` are the logits that the bins stand for, rising; by default the middles of the score bins.
    With a bin for every distinct logit the scores are exact (``evaluation.score_exactly``).
    """
    if bin_values is None:
        bin_values = logits_at(np.arange(NUM_SCORE_BINS, dtype=np.float64) + 0.5)
    sensitivities = _sensitivities(counts)
    return Score(
        auc=roc_auc(counts.positives, counts.negatives),
        sensitivities=sensitivities,
        cpm=float(np.mean(sensitivities)) if sensitivities else None,
        loss=_balanced_loss(counts),
        average_precision=average_precision(counts.positives, counts.negatives),
        calibration_error=calibration_error(counts.positives, counts.negatives, bin_values),
    )


def roc_auc(positives: IntArray, negatives: IntArray) -> float | None:
    """Compute the area under the ROC curve from counts in rising order of score; ties count half.

    Returns None without a positive or without a negative.
    """
    num_pairs = int(positives.sum()) * int(negatives.sum())
    if num_pairs == 0:
        return None
    negatives_below = np.cumsum(negatives) - negatives
    return float((positives * (negatives_below + negatives / 2)).sum() / num_pairs)


def average_precision(positives: IntArray, negatives: IntArray) -> float | None:
    """Compute the mean, over the positives, of the precision at their score; counts in rising order of score.

    Ties are seen together, and nothing is interpolated. Returns None without a positive or a negative.
    """
    if not positives.sum() or not negatives.sum():
        return None
    num_true, num_seen = np.cumsum(positives[::-1]), np.cumsum((positives + negatives)[::-1])
    precision = num_true / np.maximum(num_seen, 1)
    return float((positives[::-1] * precision).sum() / positives.sum())


def calibration_error(positives: IntArray, negatives: IntArray, logits: FloatArray) -> float | None:
    """Compute the expected calibration error (ECE) of probabilities, positives and negatives weighed alike.

    Ten bins of probability, each 0.1 wide; the error is the mean distance, weighted by what is in the bin,
    between its mean probability and its share of nodules. 0 is best. It is for a mixture of half nodules
    because training weighs so, and because the true share only tells how many candidates were proposed.

    Guo and others 2017, https://arxiv.org/abs/1706.04599. Returns None without a positive or a negative.
    """
    if not positives.sum() or not negatives.sum():
        return None
    positive_weights = positives / (2 * positives.sum())
    weights = positive_weights + negatives / (2 * negatives.sum())
    probabilities = to_probabilities(logits)
    gaps = np.bincount(calibration_bins(probabilities), probabilities * weights - positive_weights)
    return float(np.abs(gaps).sum())


def calibration_bins(probabilities: FloatArray) -> IntArray:
    """Give each probability its bin of calibration, 0 to 9; a probability of 1 is in the last."""
    bins: IntArray = np.minimum(probabilities * NUM_CALIBRATION_BINS, NUM_CALIBRATION_BINS - 1).astype(
        np.int64
    )
    return bins


def to_probabilities(logits: FloatArray) -> FloatArray:
    """Give the probabilities of logits; ln(p / (1 - p)) is the logit."""
    probabilities: FloatArray = np.exp(-np.logaddexp(0, -logits))
    return probabilities


def _sensitivities(counts: EvalCounts) -> tuple[float, ...] | None:
    if counts.num_scans == 0 or counts.num_nodules == 0:
        return None
    return sensitivities_at_rates(
        counts.nodules_hit[::-1],
        counts.false_positives[::-1],
        num_nodules=counts.num_nodules,
        num_scans=counts.num_scans,
    )


def _balanced_loss(counts: EvalCounts) -> float | None:
    num_positives, num_negatives = int(counts.positives.sum()), int(counts.negatives.sum())
    if num_positives == 0 or num_negatives == 0:
        return None
    return (counts.positive_loss_sum / num_positives + counts.negative_loss_sum / num_negatives) / 2
