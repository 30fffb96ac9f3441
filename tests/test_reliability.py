from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luna16.counts import EvalCounts, count_by_bin, score
from luna16.reliability import find_reliability


def count(positives: list[float], negatives: list[float]) -> EvalCounts:
    """Count candidates by their probabilities."""
    logits = [np.array([np.log(p / (1 - p)) for p in each]) for each in (positives, negatives)]
    return replace(EvalCounts.zero(), positives=count_by_bin(logits[0]), negatives=count_by_bin(logits[1]))


def test_curve_computed_by_hand() -> None:
    """Nodules weigh 1/8 each, others 1/4: at 0.25 there are 1/8 and 1/4, at 0.65 are 3/8 and 1/4."""
    curve = find_reliability(count([0.25, 0.65, 0.65, 0.65], [0.25, 0.65]))
    assert curve is not None
    np.testing.assert_allclose(curve.mean_probability, [0.25, 0.65], atol=1e-3)
    np.testing.assert_allclose(curve.share_positive, [1 / 3, 3 / 5])
    np.testing.assert_allclose(curve.weight, [3 / 8, 5 / 8])
    assert curve.num_examples.tolist() == [2, 4]


def test_mean_probability_weighs_classes_alike() -> None:
    """Of one bin, one nodule at 0.68 weighs as much as three others at 0.62 together."""
    curve = find_reliability(count([0.68], [0.62, 0.62, 0.62]))
    assert curve is not None
    np.testing.assert_allclose(curve.mean_probability, [0.65], atol=1e-3)
    assert (curve.share_positive.tolist(), curve.num_examples.tolist()) == ([0.5], [4])


def test_only_bins_that_hold_an_example_are_told() -> None:
    curve = find_reliability(count([0.999999], [0.01]))
    assert curve is not None
    assert curve.share_positive.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("counts", [EvalCounts.zero(), count([0.5], []), count([], [0.5])])
def test_without_both_classes_there_is_no_curve(counts: EvalCounts) -> None:
    assert find_reliability(counts) is None


probabilities = st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, max_size=40)


@given(probabilities, probabilities)
def test_weighted_mean_distance_is_the_calibration_error(
    positives: list[float], negatives: list[float]
) -> None:
    counts = count(positives, negatives)
    curve = find_reliability(counts)
    assert curve is not None
    assert curve.weight.sum() == pytest.approx(1)
    assert curve.num_examples.sum() == counts.num_examples
    distance = (curve.weight * abs(curve.mean_probability - curve.share_positive)).sum()
    assert distance == pytest.approx(score(counts).calibration_error, abs=1e-12)
