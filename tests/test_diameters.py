"""Sensitivity by the diameter of the nodule, on a scan counted by hand."""

import numpy as np
import pytest

from luna16.annotations import Nodule
from luna16.counts import BandCounts, EvalCounts, score
from luna16.diameters import count_bands, find_bands, sensitivities_by_band
from luna16.froc import count_marks
from luna16.scan_scores import ScanScores, count_scans

DIAMETERS_MM = (4.0, 5.0, 7.0, 12.0, -1.0)


@pytest.fixture
def scan() -> ScanScores:
    """Nodules at x = 0, 100 and so on; marked: the first with 3, the third with 1, the fourth with 2.

    Two false positives score 2.5 and 0.
    """
    nodules = [Nodule("a", (100.0 * i, 0.0, 0.0), mm) for i, mm in enumerate(DIAMETERS_MM)]
    centers_xyz_mm = np.array([(x_mm, 0.0, 0.0) for x_mm in (0, 200, 300, 50, 150)])
    logits = np.array([3.0, 1.0, 2.0, 2.5, 0.0])
    marks = count_marks(centers_xyz_mm, logits, nodules, [])
    return ScanScores("a", logits, np.array([True, True, True, False, False]), marks)


def test_band_begins_with_its_lower_edge() -> None:
    diameters_mm = np.array([0.0, 5.99, 6.0, 7.99, 8.0, 14.99, 15.0, 33.0])
    assert find_bands(diameters_mm).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_unknown_diameter_counts_as_ten_millimetres() -> None:
    assert find_bands(np.array([-1.0])).tolist() == find_bands(np.array([10.0])).tolist()


def test_nodules_and_hits_are_counted_by_band(scan: ScanScores) -> None:
    bands = count_bands([scan])
    assert bands.num_nodules.tolist() == [2, 1, 2, 0]
    assert bands.nodules_hit.sum(axis=1).tolist() == [1, 1, 1, 0]


def test_sensitivities_by_hand(scan: ScanScores) -> None:
    """From the top: a hit below 6 mm, a false positive, hits of 8 to 15 and of 6 to 8 mm, a false positive.

    With one scan, no false positive is allowed below 1 a scan; but the curve rises from (0, y) along a line.
    """
    small, middle, large, none = sensitivities_by_band(count_bands([scan]), count_scans([scan]))
    assert small == (0.5,) * 7
    assert middle == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    assert large == (0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5)
    assert none is None


def test_hits_of_all_bands_are_those_of_the_froc(scan: ScanScores) -> None:
    bands, counts = count_bands([scan, scan]), count_scans([scan, scan])
    assert (bands.nodules_hit.sum(axis=0) == counts.nodules_hit).all()
    mean = np.average(
        [each for each in sensitivities_by_band(bands, counts) if each], axis=0, weights=bands.num_nodules[:3]
    )
    assert mean == pytest.approx(score(counts).sensitivities)


def test_bands_add_up_over_sites(scan: ScanScores) -> None:
    together, apart = count_bands([scan, scan]), count_bands([scan]) + count_bands([scan])
    assert (together.num_nodules == apart.num_nodules).all()
    assert (together.nodules_hit == apart.nodules_hit).all()


def test_no_scan_has_no_sensitivity() -> None:
    nothing: BandCounts = count_bands([])
    assert sensitivities_by_band(nothing, EvalCounts.zero()) == (None,) * 4
