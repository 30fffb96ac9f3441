"""Sensitivity by the diameter of the nodule, from counts that add up over sites."""

from collections.abc import Sequence

import numpy as np

from luna16.counts import BandCounts, EvalCounts, IntArray, count_by_bin
from luna16.froc import UNKNOWN_DIAMETER_MM, sensitivities_at_rates
from luna16.scan_scores import FloatArray, ScanScores

BAND_EDGES_MM = (6.0, 8.0, 15.0)
"""Where care changes for a solid nodule: Lung-RADS 2022 of the American College of Radiology."""

BAND_NAMES = ("below 6 mm", "6 to 8 mm", "8 to 15 mm", "from 15 mm")


def find_bands(diameters_mm: FloatArray) -> IntArray:
    """Give each diameter its band, 0 to 3; one that is not known (negative) counts as 10 mm, as for hits."""
    known_mm = np.where(diameters_mm < 0, UNKNOWN_DIAMETER_MM, diameters_mm)
    return np.searchsorted(BAND_EDGES_MM, known_mm, side="right").astype(np.int64)


def count_bands(scans: Sequence[ScanScores]) -> BandCounts:
    """Count the nodules of scans by band, and those hit also by score."""
    counts = BandCounts.zero()
    for marks in (scan.marks for scan in scans):
        hit_bands = find_bands(marks.hit_diameters_mm)
        for band in range(len(BAND_NAMES)):
            counts.nodules_hit[band] += count_by_bin(marks.hit_scores[hit_bands == band])
            num_missed = int((find_bands(marks.missed_diameters_mm) == band).sum())
            counts.num_nodules[band] += int((hit_bands == band).sum()) + num_missed
    return counts


def sensitivities_by_band(bands: BandCounts, counts: EvalCounts) -> tuple[tuple[float, ...] | None, ...]:
    """Give each band's sensitivities at the seven rates; None for a band without a nodule.

    The rates are of all false positives, which have no diameter: the thresholds are those of the whole FROC.
    """
    return tuple(
        sensitivities_at_rates(
            hit[::-1], counts.false_positives[::-1], num_nodules=int(num), num_scans=counts.num_scans
        )
        if num
        else None
        for num, hit in zip(bands.num_nodules, bands.nodules_hit, strict=True)
    )
