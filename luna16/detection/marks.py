"""What a detection gives: marks, each a place with a diameter and a probability."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luna16.geometry import Vector3

NOTICE = "Research use only, not for diagnosis."


@dataclass(frozen=True, slots=True)
class Mark:
    """A place that may be a nodule; ``probability`` is calibrated only if its detection says so."""

    center_xyz_mm: Vector3
    diameter_mm: float
    logit: float
    probability: float


@dataclass(frozen=True)
class Detection:
    """The marks of one scan, likeliest first, out of the places that the network judged, its candidates.

    ``warnings`` are sentences about what is odd in the scan.
    """

    marks: tuple[Mark, ...]
    candidates_xyz_mm: tuple[Vector3, ...]
    warnings: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def num_candidates(self) -> int:
        """The number of places judged, of which marks in one nodule were merged."""
        return len(self.candidates_xyz_mm)


def merge_marks(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Give the marks, likeliest first, without those that lie in the nodule of a likelier one."""
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda each: -each.logit):
        if not any(_is_within(mark, better) for better in kept):
            kept.append(mark)
    return tuple(kept)


def choose_marks(marks: Sequence[Mark], *, min_probability: float, max_nodules: int) -> tuple[Mark, ...]:
    """Give the likeliest marks that a reader should look at."""
    return tuple(mark for mark in marks if mark.probability >= min_probability)[:max_nodules]


def _is_within(mark: Mark, other: Mark) -> bool:
    distance_mm = np.linalg.norm(np.subtract(mark.center_xyz_mm, other.center_xyz_mm))
    return bool(distance_mm < max(mark.diameter_mm, other.diameter_mm) / 2)
