"""How far a site's update went, and whether it went where all went together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_core.messages import Weights

VALUES_AT_ONCE = 4096
"""So many stay in the processor's cache and are too few for BLAS to call its threads: five times as fast."""


@dataclass(frozen=True)
class Drift:
    """The length of an update (Euclidean), and the cosine to the mean update: None if either is zero."""

    norm: float
    cosine: float | None


def measure_norm(sent: Weights, update: Weights) -> float:
    """Return the length of what an update changed; NaN or infinite if, and only if, a value of it is."""
    return math.sqrt(sum(float(part @ part) for part in _changes(sent, update)))


def measure_drift(sent: Weights, update: Weights, mean: Weights, *, norm: float, mean_norm: float) -> Drift:
    """Compare what one update changed, of length ``norm``, with the change of the mean."""
    if norm == 0 or mean_norm == 0:
        return Drift(norm, None)
    parts = zip(_changes(sent, update), _changes(sent, mean), strict=True)
    cosine = sum(float(part @ mean_part) for part, mean_part in parts) / (norm * mean_norm)
    return Drift(norm, min(max(cosine, -1.0), 1.0))


def _changes(before: Weights, after: Weights) -> Iterator[NDArray[np.float64]]:
    """Yield the change of all weights bit by bit; each part is overwritten by the next."""
    buffer = np.empty(VALUES_AT_ONCE)
    for name in before:
        old, new = before[name].ravel(), after[name].ravel()
        for start in range(0, old.size, VALUES_AT_ONCE):
            values = slice(start, start + VALUES_AT_ONCE)
            part = buffer[: old[values].size]
            with np.errstate(invalid="ignore"):  # infinite less infinite
                yield np.subtract(new[values], old[values], out=part, dtype=np.float64)
