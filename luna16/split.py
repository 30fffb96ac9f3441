"""Which scans a shard trains on, and which it keeps for validation and for the test at the end."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """The series of each side, sorted; no scan is on two. ``test`` is empty if none was asked for."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()


def split_by_series(
    series_uids: Iterable[str], *, validation_fraction: float, test_fraction: float = 0.0, seed: int
) -> Split:
    """Divide scans, never patches, so that no side holds tissue that is seen on another.

    A scan's rank is a hash of its UID and the seed: the split does not depend on the order of the files,
    and a scan that is added later moves few of the others.

    Raises ValueError with fewer scans than sides; otherwise each side has at least one.
    """
    ranked = sorted(set(series_uids), key=lambda uid: hashlib.sha256(f"{seed}:{uid}".encode()).digest())
    names = "training, validation and test" if test_fraction else "training and validation"
    num_sides = 3 if test_fraction else 2
    if len(ranked) < num_sides:
        raise ValueError(f"{len(ranked)} scans cannot be divided into {names}, expected {num_sides} or more.")
    num_validation = _count(validation_fraction, len(ranked), num_others=num_sides - 1)
    num_test = _count(test_fraction, len(ranked), num_others=num_validation + 1) if test_fraction else 0
    num_kept = num_validation + num_test
    return Split(
        train=tuple(sorted(ranked[num_kept:])),
        validation=tuple(sorted(ranked[:num_validation])),
        test=tuple(sorted(ranked[num_validation:num_kept])),
    )


def _count(fraction: float, num_scans: int, *, num_others: int) -> int:
    """Return the number of scans of a side: one at least, and so many are left for the others."""
    return min(max(1, round(fraction * num_scans)), num_scans - num_others)
