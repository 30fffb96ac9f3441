"""Free-response ROC by the rules of the LUNA16 challenge.

The rules are those of the challenge's own script, noduleCADEvaluationLUNA16.py (van Ginneken and others,
https://luna16.grand-challenge.org/Evaluation/; Setio et al. 2017, https://doi.org/10.1016/j.media.2017.06.015).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from luna16.annotations import Nodule

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FALSE_POSITIVE_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
MAX_MARKS_PER_SCAN = 100
UNKNOWN_DIAMETER_MM = 10.0


@dataclass(frozen=True, eq=False)
class ScanMarks:
    """How the marks of one scan were counted; scores and diameters are float64 arrays of shape (n,).

    Row i of ``hit_diameters_mm`` is the nodule of row i of ``hit_scores``.
    """

    hit_scores: FloatArray
    num_missed: int
    false_positive_scores: FloatArray
    hit_diameters_mm: FloatArray = field(default_factory=lambda: np.empty(0))
    missed_diameters_mm: FloatArray = field(default_factory=lambda: np.empty(0))

    @property
    def num_nodules(self) -> int:
        """The number of nodules, hit or missed."""
        return len(self.hit_scores) + self.num_missed


def count_marks(
    centers_xyz_mm: FloatArray, scores: FloatArray, nodules: Sequence[Nodule], excluded: Sequence[Nodule]
) -> ScanMarks:
    """Count the marks of one scan: nodules hit, nodules missed and false positives.

    A mark hits a finding when it lies nearer to its centre than its radius. Of several marks on one nodule
    the best counts and the others are ignored. A mark on an excluded finding is ignored. Only the
    100 best marks take part.

    ``centers_xyz_mm`` has shape (n, 3) and ``scores`` (n,), in any unit that rises with suspicion.
    """
    kept = keep_best_marks(scores)
    centers_xyz_mm, scores = centers_xyz_mm[kept], scores[kept]
    hits = [is_hit(centers_xyz_mm, nodule) for nodule in nodules]
    ignored = [is_hit(centers_xyz_mm, finding) for finding in excluded]
    on_a_finding = np.any([*hits, *ignored], axis=0) if hits or ignored else np.zeros(len(scores), bool)
    diameters_mm = np.array([nodule.diameter_mm for nodule in nodules])
    is_found = np.array([hit.any() for hit in hits], dtype=bool)
    return ScanMarks(
        hit_scores=np.array([scores[hit].max() for hit in hits if hit.any()]),
        num_missed=int((~is_found).sum()),
        false_positive_scores=scores[~on_a_finding],
        hit_diameters_mm=diameters_mm[is_found],
        missed_diameters_mm=diameters_mm[~is_found],
    )


def keep_best_marks(scores: FloatArray) -> BoolArray:
    """Tell which marks of a scan take part: all of up to 100, else those above the 101st score.

    The challenge drops marks that tie with the 101st, so fewer than 100 may be left.
    """
    if len(scores) <= MAX_MARKS_PER_SCAN:
        return np.ones(len(scores), dtype=bool)
    return np.asarray(scores > np.sort(scores)[::-1][MAX_MARKS_PER_SCAN])


def is_hit(centers_xyz_mm: FloatArray, finding: Nodule) -> BoolArray:
    """Tell which marks lie nearer to the finding than its radius; a negative diameter means 10 mm."""
    diameter_mm = UNKNOWN_DIAMETER_MM if finding.diameter_mm < 0 else finding.diameter_mm
    squared_mm2 = ((centers_xyz_mm - np.array(finding.center_xyz_mm)) ** 2).sum(axis=1)
    return np.asarray(squared_mm2 < (diameter_mm / 2) ** 2)


def froc_sensitivities(scans: Sequence[ScanMarks]) -> tuple[float, ...]:
    """Give the exact sensitivity at each of the seven rates; their mean is the CPM.

    Raises ValueError if there is no scan or no nodule.
    """
    hit_scores = np.concatenate([np.empty(0), *(scan.hit_scores for scan in scans)])
    false_positive_scores = np.concatenate([np.empty(0), *(scan.false_positive_scores for scan in scans)])
    thresholds = np.unique(np.concatenate([hit_scores, false_positive_scores]))
    return sensitivities_at_rates(
        _count_at(thresholds, hit_scores)[::-1],
        _count_at(thresholds, false_positive_scores)[::-1],
        num_nodules=sum(scan.num_nodules for scan in scans),
        num_scans=len(scans),
    )


def sensitivities_at_rates(
    nodules_hit: IntArray, false_positives: IntArray, *, num_nodules: int, num_scans: int
) -> tuple[float, ...]:
    """Read the FROC curve at the seven rates from counts per threshold, highest threshold first.

    The curve begins at (0, 0), is linear between thresholds and flat beyond the last.

    Raises ValueError if there is no scan or no nodule.
    """
    if num_scans < 1 or num_nodules < 1:
        raise ValueError(f"FROC needs scans and nodules, got {num_scans} scans with {num_nodules} nodules.")
    rates = np.concatenate([[0.0], np.cumsum(false_positives) / num_scans])
    sensitivities = np.concatenate([[0.0], np.cumsum(nodules_hit) / num_nodules])
    return tuple(np.interp(FALSE_POSITIVE_RATES, rates, sensitivities).tolist())


def _count_at(thresholds: FloatArray, scores: FloatArray) -> IntArray:
    return np.bincount(np.searchsorted(thresholds, scores), minlength=len(thresholds)).astype(np.int64)
