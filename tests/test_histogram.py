import itertools
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
        ((4, 6, 8), (None, None, 8)),
        ((1, 2, 6, 8), (None, None, None, 8)),
        ((4, 8, 8, 9), (None, None, None, 9)),
        ((0, 5, 9), (0, 5, 9)),
    ],
)
def test_too_few_scans_are_withheld_with_the_smallest_others(
    num_scans: tuple[int, ...], told: tuple[int | None, ...]
) -> None:
    assert counts_of(one_bin_each(*num_scans)) == told


def test_many_counts_of_one_scan_are_withheld() -> None:
    rows = np.vstack([[50, 0, 0], one_bin_each(0, 6, 8)])
    assert counts_of(rows) == (None, None, 8)


@pytest.mark.parametrize("num_scans", [(4, 3), (2, 8), (2, 8, 8), (1, 1, 1, 1, 1)])
def test_histogram_that_tells_nothing_is_left_out(num_scans: tuple[int, ...]) -> None:
    assert make_histogram(one_bin_each(*num_scans)) is None


@pytest.mark.parametrize("total", [9, 13, 16])
def test_no_withheld_bin_or_sum_of_some_can_be_found_by_trying_all_cases(total: int) -> None:
    cases: dict[Histogram, list[tuple[int, ...]]] = {}
    for a, b, c in itertools.product(range(total + 1), repeat=3):
        if (d := total - a - b - c) >= 0 and (histogram := make_histogram(one_bin_each(a, b, c, d))):
            cases.setdefault(histogram, []).append((a, b, c, d))
    for histogram, num_scans in cases.items():
        withheld = [i for i, count in enumerate(histogram.counts) if count is None]
        for num_bins in range(1, len(withheld)):
            for bins in itertools.combinations(withheld, num_bins):
                assert len({sum(case[i] for i in bins) for case in num_scans}) > 1


def test_count_is_told_of_no_scan_or_of_five() -> None:
    assert [num_scans for num_scans in range(8) if can_tell(num_scans)] == [0, 5, 6, 7]


def test_histograms_that_differ_in_what_is_withheld_are_the_same() -> None:
    assert make_histogram(one_bin_each(9, 2, 6, 12)) == make_histogram(one_bin_each(9, 6, 2, 12))


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
