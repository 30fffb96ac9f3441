"""How far a model's probabilities can be believed: what it says beside what is so, bin by bin."""

from dataclasses import dataclass

import numpy as np

from luna16.counts import (
    NUM_CALIBRATION_BINS,
    NUM_SCORE_BINS,
    EvalCounts,
    FloatArray,
    IntArray,
    calibration_bins,
    logits_at,
    to_probabilities,
)


@dataclass(frozen=True, eq=False)
class Reliability:
    """The bins of probability that hold an example, rising; all arrays are of one length.

    ``share_positive`` is the share of nodules in a mixture in which all nodules together weigh as much as all
    other candidates, as in ``calibration_error`` and for its reasons. ``mean_probability`` is of the same
    mixture, so the two are equal for a calibrated model. ``weight`` is the part of the mixture that is in
    the bin, 1 in all; ``num_examples`` counts candidates as they are.
    """

    mean_probability: FloatArray
    share_positive: FloatArray
    weight: FloatArray
    num_examples: IntArray


def find_reliability(counts: EvalCounts) -> Reliability | None:
    """Compute the reliability curve in ten bins of probability, each 0.1 wide.

    A score bin stands for the probability at its middle. The mean distance of the curve from the diagonal,
    by ``weight``, is the calibration error of ``score``. Returns None without a positive or a negative.
    """
    positives, negatives = counts.positives, counts.negatives
    if not positives.sum() or not negatives.sum():
        return None
    probabilities = to_probabilities(logits_at(np.arange(NUM_SCORE_BINS, dtype=np.float64) + 0.5))
    bins = calibration_bins(probabilities)
    positive_weights = positives / (2 * positives.sum())
    weights = positive_weights + negatives / (2 * negatives.sum())

    def add_up(values: FloatArray | IntArray) -> FloatArray:
        return np.bincount(bins, values, minlength=NUM_CALIBRATION_BINS).astype(np.float64)

    num_examples = add_up(positives + negatives).astype(np.int64)
    held = num_examples > 0
    weight = add_up(weights)[held]
    return Reliability(
        mean_probability=add_up(probabilities * weights)[held] / weight,
        share_positive=add_up(positive_weights)[held] / weight,
        weight=weight,
        num_examples=num_examples[held],
    )
