"""Counts add up over sites, and their scores agree with those of the single candidates."""

import math

import numpy as np
import pytest

from luna16.counts import NUM_SCORE_BINS, EvalCounts, bin_logits, count_by_bin, roc_auc, score
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


def test_no_scan_gives_no_score() -> None:
    nothing = score(EvalCounts.zero())
    assert (nothing.auc, nothing.sensitivities, nothing.cpm, nothing.loss) == (None, None, None, None)


def test_scans_without_a_nodule_have_no_auc_and_no_cpm() -> None:
    only_negatives = count_logits(np.empty(0), np.zeros(5))
    assert score(only_negatives).auc is None
    assert score(only_negatives).cpm is None


def test_loss_weighs_classes_alike() -> None:
    counts = count_logits(np.array([2.0]), np.array([0.0] * 9))
    assert score(counts).loss == pytest.approx((math.log1p(math.exp(-2)) + math.log(2)) / 2)


def test_number_of_examples_is_that_of_all_candidates() -> None:
    assert count_logits(np.zeros(3), np.zeros(7)).num_examples == 10
