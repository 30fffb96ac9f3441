"""How far a site's update went, and whether it went where all went together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_core.messages import Weights

VALUES_AT_ONCE = 4096
"""So many stay in the processor's cache, and are too few for BLAS to call its threads."""


@dataclass(frozen=True)
class Drift:
    """The length of an update (Euclidean), and the cosine to the mean update: None if either is zero."""

    norm: float
    cosine: float | None


def measure_norm(sent: Weights, update: Weights) -> float:
    """Return the length of what an update changed; NaN or infinite if, and only if, a value of it is."""
    return math.sqrt(_multiply(sent, update, update))


def measure_drift(sent: Weights, update: Weights, mean: Weights, *, norm: float, mean_norm: float) -> Drift:
    """Compare what one update changed, of length ``norm``, with the change of the mean."""
    if norm == 0 or mean_norm == 0:
        return Drift(norm, None)
    cosine = _multiply(sent, update, mean) / (norm * mean_norm)
    return Drift(norm, min(max(cosine, -1.0), 1.0))


def _multiply(sent: Weights, one: Weights, other: Weights) -> float:
    """Return the scalar product of two changes; in float64, which takes four times as long, if need be."""
    with np.errstate(over="ignore", invalid="ignore"):
        quick = _sum_products(sent, one, other, np.float32)
        return quick if math.isfinite(quick) else _sum_products(sent, one, other, np.float64)


def _sum_products(sent: Weights, one: Weights, other: Weights, dtype: type[np.floating[Any]]) -> float:
    parts = _changes(sent, one, dtype)
    if one is other:
        return sum(float(part @ part) for part in parts)
    pairs = zip(parts, _changes(sent, other, dtype), strict=True)
    return sum(float(part @ other_part) for part, other_part in pairs)


def _changes(before: Weights, after: Weights, dtype: type[np.floating[Any]]) -> Iterator[NDArray[Any]]:
    """Yield the change of all weights bit by bit; each part is overwritten by the next."""
    buffer = np.empty(VALUES_AT_ONCE, dtype)
    for name in before:
        old, new = before[name].ravel(), after[name].ravel()
        for start in range(0, old.size, VALUES_AT_ONCE):
            values = slice(start, start + VALUES_AT_ONCE)
            part = buffer[: old[values].size]
            yield np.subtract(new[values], old[values], out=part, dtype=dtype)
