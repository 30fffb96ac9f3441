"""A shard's patches, divided into training and validation scans, and how batches are drawn from them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from luna16.annotations import Candidate, Nodule, group_by_series, read_excluded
from luna16.array_file import DamagedRowsError
from luna16.config import DataConfig
from luna16.patch_plan import PatchPlan, plan_patches
from luna16.patches import scale_patches
from luna16.prepare import PreparedPatches, prepare_patches
from luna16.scan import Int16Array

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]
ResultT = TypeVar("ResultT")

logger = logging.getLogger(__name__)


class PatchRows(Protocol):
    """Patches that are read by their rows, as those of an int16 array of shape (N, D, H, W)."""

    def __getitem__(self, rows: IndexArray, /) -> Int16Array:
        """Give the patches of these rows."""


@dataclass(frozen=True, eq=False)
class PatchSet:
    """The patches of some scans, and what the FROC of these scans needs.

    ``patches_hu`` are usually read from disk; row i shows ``candidates[i]``.
    ``series_uids`` names all scans, also those without a candidate or nodule.
    """

    patches_hu: PatchRows = field(repr=False)
    candidates: tuple[Candidate, ...] = field(repr=False)
    series_uids: tuple[str, ...] = field(repr=False)
    nodules: tuple[Nodule, ...] = field(repr=False)
    excluded: tuple[Nodule, ...] = field(repr=False)
    is_nodule: BoolArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labels = np.array([candidate.is_nodule for candidate in self.candidates], dtype=bool)
        object.__setattr__(self, "is_nodule", labels)

    @property
    def num_scans(self) -> int:
        """The number of scans, with or without a candidate."""
        return len(self.series_uids)

    @property
    def num_nodules(self) -> int:
        """The number of annotated nodules."""
        return len(self.nodules)

    @property
    def num_positives(self) -> int:
        """The number of candidates that are a nodule."""
        return int(self.is_nodule.sum())

    @property
    def num_negatives(self) -> int:
        """The number of candidates that are not."""
        return len(self.candidates) - self.num_positives


@dataclass(frozen=True, eq=False)
class Shard:
    """What one site trains on, validates with, and is tested with at the end; no scan is in two of them.

    There is no ``test`` unless the settings ask for it. ``set_aside`` says of each scan that cannot be used
    why, and names it by its place. ``key`` changes with the data and with how they are divided and cut.
    ``mend`` gives the same shard once more, after ``DamagedRowsError``: patches that the disk has lost or
    changed are cut anew, and scans that cannot be read any more are set aside.
    """

    train: PatchSet
    validation: PatchSet
    test: PatchSet | None = None
    set_aside: tuple[str, ...] = ()
    key: str = ""
    mend: Callable[[], "Shard"] | None = field(default=None, repr=False)

    @property
    def sides(self) -> tuple[PatchSet, ...]:
        """All that there are of the three."""
        return tuple(side for side in (self.train, self.validation, self.test) if side)


def load_shard(
    data_root: Path,
    cache_dir: Path,
    config: DataConfig,
    *,
    subsets: Sequence[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Shard:
    """Read the scans and tables of a shard and cut its patches, or find them in ``cache_dir``.

    Scans that cannot be used are set aside. ``on_progress`` is told the number of scans cut and of all scans.

    Raises FileNotFoundError, ValueError or OSError, with one line, if the data or the disk cannot be used.
    """
    plan = plan_patches(data_root, config, subsets)

    def open_shard(*, is_damaged: bool) -> Shard:
        prepared = prepare_patches(plan, cache_dir, on_progress=on_progress, is_damaged=is_damaged)
        return replace(_make_shard(plan, prepared), mend=partial(open_shard, is_damaged=True))

    return open_shard(is_damaged=False)


def _make_shard(plan: PatchPlan, prepared: PreparedPatches) -> Shard:
    train, validation, *test = _divide(plan, prepared)
    _check_trainable(train)
    return Shard(
        train,
        validation,
        test=test[0] if test else None,
        set_aside=tuple(prepared.set_aside.values()),
        key=prepared.folder.name,
    )


def use_shard(shard: Shard, work: Callable[[Shard], ResultT]) -> tuple[Shard, ResultT]:
    """Do ``work`` on a shard; return the shard that it was done on, and what it gives.

    If the disk turns out to have lost or changed patches the shard is mended, and the work begun anew.
    """
    try:
        return shard, work(shard)
    except DamagedRowsError as error:
        if shard.mend is None:
            raise
        logger.warning("%s It is mended.", str(error).partition(". ")[0] + ".")
    mended = shard.mend()
    return mended, work(mended)


def sample_epoch(train: PatchSet, negatives_per_positive: float, random: np.random.Generator) -> IndexArray:
    """Draw the rows of one epoch, shuffled: every positive, and a sample of the negatives.

    Raises ValueError if there is no positive or no negative.
    """
    _check_trainable(train)
    positives, negatives = np.flatnonzero(train.is_nodule), np.flatnonzero(~train.is_nodule)
    num_wanted = max(1, round(negatives_per_positive * len(positives)))
    drawn = random.choice(negatives, size=min(num_wanted, len(negatives)), replace=False)
    return random.permutation(np.concatenate([positives, drawn]))


def read_batch(
    patch_set: PatchSet, indices: IndexArray, config: DataConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Give patches, float32 (B, 1, D, H, W) in [0, 1], and targets, float32 (B,): 1 for a nodule."""
    targets = torch.from_numpy(patch_set.is_nodule[indices]).to(device).float()
    return scale_patches(patch_set.patches_hu[indices], config, device), targets


def _check_trainable(train: PatchSet) -> None:
    if train.num_positives == 0 or train.num_negatives == 0:
        raise ValueError(
            f"The {train.num_scans} training scans have {train.num_positives} candidates that are nodules "
            f"and {train.num_negatives} that are not, expected some of each. Add scans or change split_seed."
        )


def _divide(plan: PatchPlan, prepared: PreparedPatches) -> Iterator[PatchSet]:
    """Yield the training, the validation and, if any, the test set, without the scans that were set aside."""
    excluded = group_by_series(read_excluded(plan.data_root, only=plan.files))
    start = 0
    sides = {"training": plan.split.train, "validation": plan.split.validation, "test": plan.split.test}
    for name, uids in ((name, uids) for name, uids in sides.items() if uids):
        cuts = [plan.cuts[uid] for uid in uids if uid not in prepared.set_aside]
        if not cuts:
            raise ValueError(f"No {name} scan can be used. The first fault: {prepared.set_aside[uids[0]]}")
        candidates = tuple(candidate for cut in cuts for candidate in cut.candidates)
        yield PatchSet(
            patches_hu=prepared.patches_hu.part(start, start + len(candidates)),
            candidates=candidates,
            series_uids=tuple(cut.file.series_uid for cut in cuts),
            nodules=tuple(nodule for cut in cuts for nodule in cut.nodules),
            excluded=tuple(n for cut in cuts for n in excluded[cut.file.series_uid]),
        )
        start += len(candidates)
