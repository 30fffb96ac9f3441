import json
import math

import numpy as np
import pytest

from luna16.data_card import (
    EDGES,
    DataCard,
    Histogram,
    ScanFacts,
    find_distance,
    make_data_card,
    make_histogram,
    pool,
)

THIN = ScanFacts((0.625, 0.7, 0.7), (5.0, 12.0))
THICK = ScanFacts((2.5, 0.85, 0.85))


def test_values_are_counted_into_their_bins() -> None:
    histogram = make_histogram([(1.0, 2.0, 2.5)] * 5, edges=(2.0, 3.0))
    assert histogram == Histogram((5, 10, 0), total=15)


def test_bin_of_too_few_scans_is_withheld_with_the_next_smallest() -> None:
    scans = [(1.0,)] * 4 + [(2.5,)] * 6 + [(9.0,)] * 8
    assert make_histogram(scans, edges=(2.0, 3.0)) == Histogram((None, None, 8), total=18)


def test_many_nodules_of_one_scan_are_withheld() -> None:
    scans = [(1.0,) * 50, *[(2.5,)] * 6, *[(9.0,)] * 8]
    assert make_histogram(scans, edges=(2.0, 3.0)).counts == (None, None, 8)


def test_withheld_bins_cannot_be_found_from_the_total() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        scans = [tuple(rng.uniform(0, 10, rng.integers(0, 4))) for _ in range(rng.integers(5, 40))]
        counts = make_histogram(scans, edges=(2.0, 4.0, 6.0, 8.0)).counts
        assert counts.count(None) != 1 or all(count in {0, None} for count in counts)


def test_card_counts_scans_and_nodules() -> None:
    card = make_data_card([THIN] * 6 + [THICK] * 5)
    assert (card.num_scans, card.num_scans_with_nodules, card.num_nodules) == (11, 6, 12)
    assert card.histograms["nodule_diameter_mm"].counts == (0, 6, 0, 0, 6, 0, 0)
    assert card.histograms["slice_spacing_mm"].counts == (6, 0, 0, 0, 0, 0, 5)


def test_card_of_few_scans_tells_hardly_anything() -> None:
    assert make_data_card([THIN] * 4) == DataCard(4, None, None, {})


def test_few_scans_with_nodules_are_withheld() -> None:
    card = make_data_card([THIN] * 3 + [THICK] * 8)
    assert (card.num_scans_with_nodules, card.num_nodules) == (None, None)
    assert set(card.histograms) == {"pixel_spacing_mm", "slice_spacing_mm"}


def test_card_fits_into_json() -> None:
    card = make_data_card([THIN] * 6 + [THICK] * 3)
    read = json.loads(json.dumps(card.to_json(), allow_nan=False))
    assert read["histograms"]["pixel_spacing_mm"]["edges"] == list(EDGES["pixel_spacing_mm"])
    assert None in read["histograms"]["pixel_spacing_mm"]["counts"]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        (Histogram((1, 3), 4), Histogram((25, 75), 100), 0),
        (Histogram((9, 0), 9), Histogram((0, 5), 5), 1),
        # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2
        (
            Histogram((8, 0), 8),
            Histogram((6, 6), 12),
            math.sqrt((math.log2(4 / 3) + (math.log2(2 / 3) + 1) / 2) / 2),
        ),
        (Histogram((None, None, 8), 18), Histogram((10, 0, 8), 18), 0),
    ],
)
def test_distance_is_that_of_the_shares(one: Histogram, other: Histogram, distance: float) -> None:
    assert find_distance(one, other) == pytest.approx(distance, abs=1e-9)
    assert find_distance(other, one) == pytest.approx(distance, abs=1e-9)


def test_sites_are_pooled_bin_by_bin() -> None:
    assert pool([Histogram((1, None, 5), 9), Histogram((2, 3, 0), 5)]) == Histogram((3, None, 5), 14)
