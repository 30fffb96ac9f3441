"""Counts add up over sites, and their scores agree with those of the single candidates."""

import math

import numpy as np
import pytest

from luna16.counts import (
    NUM_SCORE_BINS,
    EvalCounts,
    average_precision,
    bin_logits,
    calibration_error,
    count_by_bin,
    logits_at,
    roc_auc,
    score,
)
from luna16.froc import ScanMarks, froc_sensitivities

NUM_SCANS = 60


def count_logits(positives: np.ndarray, negatives: np.ndarray, num_scans: int = NUM_SCANS) -> EvalCounts:
    """Count as if each positive were a nodule of its own and each negative a false positive."""
    return EvalCounts(
        num_scans=num_scans,
        num_nodules=len(positives),
        positive_loss_sum=float(np.logaddexp(0, -positives).sum()),
        negative_loss_sum=float(np.logaddexp(0, negatives).sum()),
        positives=count_by_bin(positives),
        negatives=count_by_bin(negatives),
        nodules_hit=count_by_bin(positives),
        false_positives=count_by_bin(negatives),
    )


def draw_logits(offset: float, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return offset + scale * (random.normal(size=80) + 1.5), offset + scale * random.normal(size=2400)


def exact_auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    return float((positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2)


MODELS = [
    pytest.param(0.3, 0.03, id="fresh"),
    pytest.param(0.0, 1.0, id="trained"),
    pytest.param(-4.0, 1.0, id="rarely sees a nodule"),
    pytest.param(-10.0, 6.0, id="confident"),
]


@pytest.mark.parametrize(("offset", "scale"), MODELS)
def test_binned_auc_is_within_a_thousandth(offset: float, scale: float) -> None:
    positives, negatives = draw_logits(offset, scale)
    assert score(count_logits(positives, negatives)).auc == pytest.approx(
        exact_auc(positives, negatives), abs=0.001
    )


@pytest.mark.parametrize(("offset", "scale"), MODELS)
def test_binned_cpm_is_within_a_hundredth(offset: float, scale: float) -> None:
    positives, negatives = draw_logits(offset, scale)
    scans = [ScanMarks(positives, 0, negatives), *[ScanMarks(np.empty(0), 0, np.empty(0))] * (NUM_SCANS - 1)]
    exact = float(np.mean(froc_sensitivities(scans)))
    assert score(count_logits(positives, negatives)).cpm == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize(("offset", "scale"), MODELS)
def test_binned_average_precision_is_within_a_fiftieth(offset: float, scale: float) -> None:
    positives, negatives = draw_logits(offset, scale)
    logits = np.concatenate([positives, negatives])
    exact = np.mean([(positives >= value).sum() / (logits >= value).sum() for value in positives])
    binned = score(count_logits(positives, negatives)).average_precision
    assert binned == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(("offset", "scale"), MODELS)
def test_binned_calibration_error_is_within_a_hundredth(offset: float, scale: float) -> None:
    positives, negatives = draw_logits(offset, scale)
    probabilities = [1 / (1 + math.exp(-logit)) for logit in [*positives, *negatives]]
    weights = [1 / 160] * 80 + [1 / 4800] * 2400
    gaps = [0.0] * 10
    for i, (probability, weight) in enumerate(zip(probabilities, weights, strict=True)):
        gaps[int(probability * 10)] += weight * (probability - (i < 80))
    binned = score(count_logits(positives, negatives)).calibration_error
    assert binned == pytest.approx(sum(map(abs, gaps)), abs=0.01)


def test_pooled_counts_score_as_all_candidates_together() -> None:
    east, north = draw_logits(0.0, 1.0, seed=1), draw_logits(-1.0, 2.0, seed=2)
    together = count_logits(np.concatenate([east[0], north[0]]), np.concatenate([east[1], north[1]]), 120)
    pooled = score(count_logits(*east) + count_logits(*north) + EvalCounts.zero())
    assert pooled.auc == score(together).auc
    assert pooled.sensitivities == score(together).sensitivities
    assert pooled.loss == pytest.approx(score(together).loss)


def test_bins_rise_with_the_logit_and_hold_the_extremes() -> None:
    bins = bin_logits(np.array([-np.inf, -1e9, -5.0, -0.01, 0.01, 5.0, 1e9, np.inf]))
    assert bins[0] == bins[1] == 0
    assert bins[-1] == bins[-2] == NUM_SCORE_BINS - 1
    assert (np.diff(bins[1:-1]) > 0).all()


def test_auc_computed_by_hand() -> None:
    """Of 2 x 3 pairs, 4 are in the right order and 2 are ties."""
    positives, negatives = np.array([0, 1, 1]), np.array([1, 2, 0])
    assert roc_auc(positives, negatives) == pytest.approx((4 + 2 / 2) / 6)


def test_average_precision_computed_by_hand() -> None:
    """The upper positive has precision 1; at the other's score 2 of 4 are positives."""
    positives, negatives = np.array([0, 1, 1]), np.array([1, 2, 0])
    assert average_precision(positives, negatives) == (1 + 2 / 4) / 2


def test_calibration_error_computed_by_hand() -> None:
    """Of half the weight, 1/4 is said and 1/4 is so; of the other half 13/20 is said and 3/4 is so."""
    logits = np.log(np.array([1 / 3, 13 / 7]))
    assert calibration_error(np.array([1, 3]), np.array([3, 1]), logits) == pytest.approx(0.5 * 0.1)


def test_calibration_weighs_classes_alike() -> None:
    logits = np.log(np.array([1 / 3, 13 / 7]))
    many_negatives = calibration_error(np.array([1, 3]), np.array([300, 100]), logits)
    assert many_negatives == pytest.approx(0.5 * 0.1)


def test_probability_of_one_is_in_the_last_bin_of_calibration() -> None:
    assert calibration_error(np.array([0, 1]), np.array([1, 0]), np.array([-np.inf, np.inf])) == 0.0


def test_logits_at_the_edges_of_bins_are_where_bins_begin() -> None:
    edges = logits_at(np.arange(1.0, NUM_SCORE_BINS))
    assert bin_logits(edges + 1e-6).tolist() == list(range(1, NUM_SCORE_BINS))
    assert bin_logits(edges - 1e-6).tolist() == list(range(NUM_SCORE_BINS - 1))


def test_no_scan_gives_no_score() -> None:
    assert set(vars(score(EvalCounts.zero())).values()) == {None}


def test_scans_without_a_nodule_have_no_auc_and_no_cpm() -> None:
    only_negatives = count_logits(np.empty(0), np.zeros(5))
    assert score(only_negatives).auc is None
    assert score(only_negatives).cpm is None
    assert score(only_negatives).average_precision is None
    assert score(only_negatives).calibration_error is None


def test_loss_weighs_classes_alike() -> None:
    counts = count_logits(np.array([2.0]), np.array([0.0] * 9))
    assert score(counts).loss == pytest.approx((math.log1p(math.exp(-2)) + math.log(2)) / 2)


def test_number_of_examples_is_that_of_all_candidates() -> None:
    assert count_logits(np.zeros(3), np.zeros(7)).num_examples == 10
