import math

import numpy as np
import pytest

from luna16.histogram import Histogram, can_tell, find_distance, find_shares, find_told, make_histogram, pool


def one_bin_each(*num_scans: int) -> np.ndarray:
    """Return the rows of so many scans in each bin, one count a scan."""
    return np.repeat(np.eye(len(num_scans), dtype=np.int64), num_scans, axis=0)


def counts_of(rows: np.ndarray) -> tuple[int | None, ...]:
    histogram = make_histogram(rows)
    assert histogram is not None
    return histogram.counts


def distance_between(one: Histogram, other: Histogram) -> float:
    is_told = find_told(one, other)
    return float(find_distance(find_shares(one, is_told), find_shares(other, is_told)))


def test_counts_of_scans_add_up() -> None:
    histogram = make_histogram(np.array([[1, 2, 0]] * 5))
    assert histogram is not None
    assert (histogram.counts, histogram.total) == ((5, 10, 0), 15)


@pytest.mark.parametrize(
    ("num_scans", "told"),
    [
        ((4, 6, 8), (None, None, 8)),  # 4 alone would follow from the total
        ((1, 2, 6, 8), (None, None, None, 8)),  # and so would 1 + 2, which are 3 scans
        ((4, 4, 6, 8), (None, None, 6, 8)),
        ((1, 1, 1, 1, 1, 6, 8), (None, None, None, None, None, None, 8)),  # five bins of 5 scans: each has 1
        ((0, 5, 9), (0, 5, 9)),
    ],
)
def test_too_few_scans_are_withheld_and_cannot_be_found_from_the_total(
    num_scans: tuple[int, ...], told: tuple[int | None, ...]
) -> None:
    assert counts_of(one_bin_each(*num_scans)) == told


def test_many_counts_of_one_scan_are_withheld() -> None:
    rows = np.vstack([[50, 0, 0], one_bin_each(0, 6, 8)])
    assert counts_of(rows) == (None, None, 8)


@pytest.mark.parametrize("num_scans", [(4, 3), (2, 8), (1, 1, 1, 1, 1)])
def test_histogram_that_tells_nothing_is_left_out(num_scans: tuple[int, ...]) -> None:
    assert make_histogram(one_bin_each(*num_scans)) is None


def test_nothing_that_follows_is_of_fewer_than_five_scans() -> None:
    random = np.random.default_rng(0)
    for _ in range(500):
        rows = random.poisson(random.uniform(0.05, 1.0, size=5), size=(int(random.integers(5, 40)), 5))
        rows = rows[rows.any(axis=1)]
        histogram = make_histogram(rows) if len(rows) else None
        if histogram is None:
            continue
        is_withheld = np.array([count is None for count in histogram.counts])
        num_scans = (rows > 0).sum(axis=0)
        assert all(num == 0 or num >= 5 for num in num_scans[~is_withheld])
        assert not is_withheld.any() or (
            rows[:, is_withheld].any(axis=1).sum() >= 5 and is_withheld.sum() > 1
        )


def test_count_is_told_of_no_scan_or_of_five() -> None:
    assert [num_scans for num_scans in range(8) if can_tell(num_scans)] == [0, 5, 6, 7]


def test_histograms_that_differ_in_what_is_withheld_are_the_same() -> None:
    assert make_histogram(one_bin_each(9, 2, 6, 12)) == make_histogram(one_bin_each(9, 4, 4, 12))


def test_one_count_a_scan_is_worth_a_draw_each() -> None:
    histogram = make_histogram(one_bin_each(100, 100, 100))
    assert histogram is not None
    assert 285 <= histogram.num_draws <= 300


def test_counts_that_stray_together_are_worth_fewer_draws() -> None:
    apart = make_histogram(one_bin_each(30, 30))
    together = make_histogram(10 * one_bin_each(6, 6))
    assert apart is not None
    assert together is not None
    assert together.total > apart.total
    assert together.num_draws < 13  # twelve scans, of ten counts in one bin each
    assert apart.num_draws > 50


def test_scans_that_are_all_alike_are_worth_all_their_counts() -> None:
    histogram = make_histogram(np.array([[300, 700]] * 6))
    assert histogram is not None
    assert histogram.num_draws == 6000


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        (Histogram((5, 15), 20, 20), Histogram((25, 75), 100, 100), 0),
        (Histogram((9, 0), 9, 9), Histogram((0, 5), 5, 5), 1),
        # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2
        (
            Histogram((8, 0), 8, 8),
            Histogram((6, 6), 12, 12),
            math.sqrt((math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2),
        ),
        (Histogram((None, None, 8), 18, 18), Histogram((10, 0, 8), 18, 18), 0),
    ],
)
def test_distance_is_that_of_the_shares(one: Histogram, other: Histogram, distance: float) -> None:
    assert distance_between(one, other) == pytest.approx(distance, abs=1e-9)
    assert distance_between(other, one) == pytest.approx(distance, abs=1e-9)


def test_sites_are_pooled_bin_by_bin() -> None:
    pooled = pool([Histogram((6, None, None), 19, 17), Histogram((7, 8, 0), 15, 14)])
    assert pooled == Histogram((13, None, None), 34, 31)
