"""Which scans a shard trains on and which it keeps for validation."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """The series of each side, sorted; no scan is on both."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def split_by_series(series_uids: Iterable[str], *, validation_fraction: float, seed: int) -> Split:
    """Divide scans, never patches, so that validation holds no tissue seen in training.

    A scan's rank is a hash of its UID and the seed: the split does not depend on the order of the files,
    and a scan that is added later moves few of the others.

    Raises ValueError with fewer than two scans; otherwise each side has at least one.
    """
    ranked = sorted(set(series_uids), key=lambda uid: hashlib.sha256(f"{seed}:{uid}".encode()).digest())
    if len(ranked) < 2:
        raise ValueError(
            f"{len(ranked)} scans cannot be divided into training and validation, expected 2 or more."
        )
    num_validation = min(max(1, round(validation_fraction * len(ranked))), len(ranked) - 1)
    return Split(
        train=tuple(sorted(ranked[num_validation:])), validation=tuple(sorted(ranked[:num_validation]))
    )
