"""The bounds of the bin error, on counts whose best and worst order are seen by hand."""

from dataclasses import replace

import numpy as np
import pytest

from luna16.bin_error import bound_bin_error
from luna16.counts import NUM_SCORE_BINS, EvalCounts


def count_in_bins(positives: dict[int, int], negatives: dict[int, int]) -> EvalCounts:
    """Count {bin: number} in one scan; every positive is a nodule hit, every negative a false positive."""
    rows = np.zeros((2, NUM_SCORE_BINS), np.int64)
    for row, numbers in zip(rows, (positives, negatives), strict=True):
        row[list(numbers)] = list(numbers.values())
    num_nodules = sum(positives.values())
    return EvalCounts(1, num_nodules, 0.0, 0.0, rows[0], rows[1], rows[0], rows[1])


def test_bins_of_one_positive_or_of_negatives_lose_nothing() -> None:
    error = bound_bin_error(count_in_bins({1500: 1, 900: 1}, {1400: 3, 100: 5}))
    assert (error.auc, error.average_precision) == (0.0, 0.0)
    assert error.sensitivities == (0.0,) * 7
    assert error.cpm == 0.0


def test_one_bin_with_a_positive_and_a_negative() -> None:
    """The pair may be in order or not; seen together the curve is a line from (0, 0) to (1, 1)."""
    error = bound_bin_error(count_in_bins({1500: 1}, {1500: 1}))
    assert error.auc == 1 / 2
    assert error.average_precision == 1 - 1 / 2
    assert error.sensitivities == (7 / 8, 3 / 4, 1 / 2, 0.0, 0.0, 0.0, 0.0)
    assert error.cpm == pytest.approx((7 / 8 + 3 / 4 + 1 / 2) / 7)


def test_worst_order_of_a_crowded_bin() -> None:
    """Two positives among two negatives: precision at worst 1/3 and 2/4, at best 1; together 1/2."""
    error = bound_bin_error(count_in_bins({1500: 2}, {1500: 2}))
    assert error.average_precision == pytest.approx(1 - 1 / 2)


def test_calibration_may_be_off_by_the_width_of_a_bin() -> None:
    """Around 0 a bin is 0.0014 of logit wide: a quarter of that in probability."""
    error = bound_bin_error(count_in_bins({1100: 1}, {1100: 1}))
    assert 0 < error.calibration_error < 0.0014


def test_counts_without_a_score_have_no_error() -> None:
    error = bound_bin_error(EvalCounts.zero())
    assert (error.auc, error.average_precision, error.cpm, error.calibration_error) == (0.0,) * 4
    assert bound_bin_error(replace(count_in_bins({1: 1}, {1: 1}), num_scans=0)).sensitivities == (0.0,) * 7
