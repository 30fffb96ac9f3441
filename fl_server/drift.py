"""How far a site's update went, and whether it went where all went together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Drift:
    """The length of an update (Euclidean), and the cosine to the mean update: None if either is zero."""

    norm: float
    cosine: float | None


def change_between(
    before: Mapping[str, NDArray[np.float32]], after: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Return the change of all weights as one vector, tensors in the order of their names."""
    parts = [np.subtract(after[name], before[name], dtype=np.float64).ravel() for name in sorted(before)]
    return np.concatenate(parts)


def measure_drift(change: NDArray[np.float64], mean_change: NDArray[np.float64]) -> Drift:
    """Compare one site's change with the mean of all."""
    norm, mean_norm = float(np.linalg.norm(change)), float(np.linalg.norm(mean_change))
    if norm == 0 or mean_norm == 0:
        return Drift(norm, None)
    cosine = float(change @ mean_change) / (norm * mean_norm)
    return Drift(norm, min(max(cosine, -1.0), 1.0))
