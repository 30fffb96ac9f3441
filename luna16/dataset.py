"""A shard's patches, divided into training and validation scans, and how batches are drawn from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from luna16.annotations import (
    Candidate,
    Nodule,
    find_table,
    group_by_series,
    read_candidates,
    read_excluded,
    read_nodules,
    read_series_uids,
)
from luna16.cache import make_key, open_or_build
from luna16.config import DataConfig
from luna16.patches import extract_patch, scale_patches
from luna16.scan import Int16Array, Scan, ScanFile, find_scans, load_scan
from luna16.split import split_by_series

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]

TABLES = ("seriesuids.csv", "candidates_V2.csv", "annotations.csv", "annotations_excluded.csv")


@dataclass(frozen=True, eq=False)
class PatchSet:
    """The patches of some scans, and what the FROC of these scans needs.

    ``patches_hu`` is int16 of shape (N, D, H, W), usually mapped from disk; row i shows ``candidates[i]``.
    ``series_uids`` names all scans, also those without a candidate or nodule.
    """

    patches_hu: Int16Array = field(repr=False)
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
    """What one site trains on and what it validates with; no scan is in both."""

    train: PatchSet
    validation: PatchSet


def load_shard(
    data_root: Path,
    cache_dir: Path,
    config: DataConfig,
    *,
    subsets: Sequence[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Shard:
    """Read the scans and tables of a shard and cut its patches, or map them from ``cache_dir``.

    ``on_progress`` is told the number of scans cut and of all scans.

    Raises FileNotFoundError or ValueError, with one line, if the data cannot be used.
    """
    files = {file.series_uid: file for file in find_scans(data_root, subsets)}
    _check_listed(data_root, files)
    findings = _read_findings(data_root, files)
    split = split_by_series(files, validation_fraction=config.validation_fraction, seed=config.split_seed)
    order = [files[uid] for uid in (*split.train, *split.validation)]
    patches_hu = open_or_build(
        cache_dir,
        make_key(config.model_dump_json(), _source_files(data_root, order)),
        (findings.num_candidates, *[config.patch_size_vox] * 3),
        lambda patches_hu: _cut_patches(patches_hu, order, findings, config, on_progress),
    )
    num_train = sum(len(findings.candidates[uid]) for uid in split.train)
    train = _make_patch_set(patches_hu[:num_train], split.train, findings)
    _check_trainable(train)
    return Shard(train, _make_patch_set(patches_hu[num_train:], split.validation, findings))


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


@dataclass(frozen=True)
class _Findings:
    """What the tables say of a shard's scans, by series."""

    candidates: dict[str, list[Candidate]]
    nodules: dict[str, list[Nodule]]
    excluded: dict[str, list[Nodule]]

    @property
    def num_candidates(self) -> int:
        return sum(map(len, self.candidates.values()))


def _read_findings(data_root: Path, files: dict[str, ScanFile]) -> _Findings:
    return _Findings(
        candidates=group_by_series(read_candidates(data_root, only=files)),
        nodules=group_by_series(read_nodules(data_root, only=files)),
        excluded=group_by_series(read_excluded(data_root, only=files)),
    )


def _check_listed(data_root: Path, files: dict[str, ScanFile]) -> None:
    listed = set(read_series_uids(data_root))
    for series_uid, file in files.items():
        if series_uid not in listed:
            raise ValueError(f"{file.place}: this scan is not listed in seriesuids.csv.")


def _check_trainable(train: PatchSet) -> None:
    if train.num_positives == 0 or train.num_negatives == 0:
        raise ValueError(
            f"The {train.num_scans} training scans have {train.num_positives} candidates that are nodules "
            f"and {train.num_negatives} that are not, expected some of each. Add scans or change split_seed."
        )


def _source_files(data_root: Path, order: list[ScanFile]) -> list[Path]:
    scans = [path for file in order for path in sorted(file.path.parent.glob(f"{file.path.stem}.*"))]
    return [*scans, *(find_table(data_root, name) for name in TABLES)]


def _cut_patches(
    patches_hu: Int16Array,
    order: list[ScanFile],
    findings: _Findings,
    config: DataConfig,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Fill ``patches_hu`` in the order of the scans; only one scan at a time is in memory."""
    row = 0
    for num_done, file in enumerate(order, start=1):
        scan = load_scan(file)
        for candidate in findings.candidates[file.series_uid]:
            patches_hu[row] = _cut_patch(scan, candidate, config)
            row += 1
        if on_progress:
            on_progress(num_done, len(order))


def _cut_patch(scan: Scan, candidate: Candidate, config: DataConfig) -> Int16Array:
    try:
        return extract_patch(scan, candidate.center_xyz_mm, config)
    except ValueError as error:
        raise ValueError(f"candidates_V2.csv, line {candidate.line_no}: {error}") from error


def _make_patch_set(patches_hu: Int16Array, series_uids: tuple[str, ...], findings: _Findings) -> PatchSet:
    return PatchSet(
        patches_hu=patches_hu,
        candidates=tuple(c for uid in series_uids for c in findings.candidates[uid]),
        series_uids=series_uids,
        nodules=tuple(n for uid in series_uids for n in findings.nodules[uid]),
        excluded=tuple(n for uid in series_uids for n in findings.excluded[uid]),
    )
