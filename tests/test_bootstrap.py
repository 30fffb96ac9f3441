"""Replicates add up over sites, and the intervals of their scores hold the truth as often as they say."""

from dataclasses import fields

import numpy as np
import pytest

from luna16.bootstrap import (
    FEWEST_SCANS,
    NO_INTERVALS,
    count_replicates,
    draw_replicates,
    draw_weights,
    find_intervals,
)
from luna16.counts import NUM_REPLICATE_BINS, Replicates, score
from luna16.froc import ScanMarks
from luna16.scan_scores import ScanScores, count_scans, score_exactly


def draw_scans(random: np.random.Generator, num_scans: int) -> list[ScanScores]:
    """Draw scans of 0 to 3 nodules, one in ten without a mark, whose candidates share an offset."""
    return [draw_scan(random, f"{i}-{random.integers(2**60)}") for i in range(num_scans)]


def draw_scan(random: np.random.Generator, uid: str) -> ScanScores:
    offset = 0.7 * random.normal()
    num_nodules = random.integers(4)
    hits = offset + 2.0 + random.normal(size=random.binomial(num_nodules, 0.9))
    false_positives = offset + random.normal(size=random.poisson(12))
    marks = ScanMarks(hits, int(num_nodules) - len(hits), false_positives)
    is_nodule = np.arange(len(hits) + len(false_positives)) < len(hits)
    return ScanScores(uid, np.concatenate([hits, false_positives]), is_nodule, marks)


def test_replicates_of_sites_add_up_to_those_of_all_scans() -> None:
    scans = draw_scans(np.random.default_rng(0), 30)
    together = count_replicates(scans, seed=1, num_replicates=20)
    apart = count_replicates(scans[:11], seed=1, num_replicates=20) + count_replicates(
        scans[11:], seed=1, num_replicates=20
    )
    assert all((getattr(together, f.name) == getattr(apart, f.name)).all() for f in fields(Replicates))


def test_replicate_counts_each_scan_as_often_as_its_weight() -> None:
    scans = draw_scans(np.random.default_rng(0), 7)
    replicates = count_replicates(scans, seed=3, num_replicates=5)
    for row in range(5):
        repeated = [scan for scan in scans for _ in range(draw_weights(scan.series_uid, 3, 5)[row])]
        counts = count_scans(repeated)
        assert (replicates.num_scans[row], replicates.num_nodules[row]) == (len(repeated), counts.num_nodules)
        assert (replicates.negatives[row] == counts.negatives.reshape(NUM_REPLICATE_BINS, -1).sum(1)).all()
        assert replicates.nodules_hit[row].sum() == counts.nodules_hit.sum()


def test_weights_are_poisson_numbers_of_mean_one() -> None:
    weights = draw_weights("1.2.3", seed=0, num_replicates=20_000)
    assert weights.mean() == pytest.approx(1.0, abs=0.03)
    assert weights.var() == pytest.approx(1.0, abs=0.05)


def test_weights_of_two_scans_or_seeds_are_independent() -> None:
    one, other, seeded = (draw_weights(*key, 20_000) for key in (("1.2", 0), ("1.3", 0), ("1.2", 1)))
    assert abs(np.corrcoef([one, other, seeded])[np.triu_indices(3, 1)]).max() < 0.03
    assert (draw_weights("1.2", 0, 20_000) == one).all()


def test_five_hundred_replicates_are_four_megabytes() -> None:
    assert count_replicates(draw_scans(np.random.default_rng(0), 3), seed=0).num_bytes == 4_004_000


def test_intervals_hold_the_score_of_the_scans() -> None:
    scans = draw_scans(np.random.default_rng(5), 60)
    intervals, point = (
        find_intervals(count_replicates(scans, seed=0), num_scans=len(scans)),
        score(count_scans(scans)),
    )
    assert intervals.sensitivities is not None
    assert point.sensitivities is not None
    for (low, high), value in zip(intervals.sensitivities, point.sensitivities, strict=True):
        assert low <= value <= high
    for name in ("auc", "average_precision", "cpm"):
        low, high = getattr(intervals, name)
        assert low < getattr(point, name) < high


def test_scans_without_a_nodule_have_no_interval() -> None:
    scan = ScanScores("a", np.zeros(3), np.zeros(3, bool), ScanMarks(np.empty(0), 0, np.zeros(3)))
    intervals = find_intervals(count_replicates([scan], seed=0, num_replicates=9), num_scans=FEWEST_SCANS)
    assert set(vars(intervals).values()) == {None}


def test_no_scan_has_no_interval() -> None:
    assert find_intervals(count_replicates([], seed=0, num_replicates=9), num_scans=0).cpm is None


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """In 100 federations of three sites of 20 scans; the truth is the score of 20,000 scans."""
    truth = score_exactly(draw_scans(np.random.default_rng(1), 20_000))
    num_held = {"auc": 0, "cpm": 0, "average_precision": 0}
    for seed in range(100):
        random = np.random.default_rng([2, seed])
        sites = [count_replicates(draw_scans(random, 20), seed=s, num_replicates=200) for s in range(3)]
        intervals = find_intervals(sites[0] + sites[1] + sites[2], num_scans=60)
        for name in num_held:
            low, high = getattr(intervals, name)
            num_held[name] += low <= getattr(truth, name) <= high
    assert all(0.90 <= num / 100 <= 0.99 for num in num_held.values()), num_held


def test_too_few_scans_give_no_interval() -> None:
    scans = draw_scans(np.random.default_rng(0), FEWEST_SCANS)
    replicates = count_replicates(scans, seed=0, num_replicates=50)
    assert find_intervals(replicates, num_scans=FEWEST_SCANS - 1) == NO_INTERVALS
    assert find_intervals(replicates, num_scans=FEWEST_SCANS).cpm


def test_seed_of_drawn_replicates_is_another_each_time() -> None:
    scans = draw_scans(np.random.default_rng(0), 5)
    assert (draw_replicates(scans).num_nodules != draw_replicates(scans).num_nodules).any()
