"""Which patches of a shard are kept, and the key by which they are found again on disk."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from luna16.annotations import (
    Candidate,
    Nodule,
    find_table,
    group_by_series,
    read_candidates,
    read_nodules,
)
from luna16.cache import make_key
from luna16.config import DataConfig
from luna16.patches import CUTTING_VERSION
from luna16.scan import ScanFile, find_listed_scans, list_folder
from luna16.split import Split, split_by_series

TABLES = ("seriesuids.csv", "candidates_V2.csv", "annotations.csv", "annotations_excluded.csv")


@dataclass(frozen=True)
class ScanCut:
    """One scan, its nodules, and those of its candidates whose patches are kept."""

    file: ScanFile
    candidates: tuple[Candidate, ...] = field(repr=False)
    nodules: tuple[Nodule, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class PatchPlan:
    """The scans of a shard and how they are divided; the candidates are read only when asked for."""

    data_root: Path
    config: DataConfig
    files: dict[str, ScanFile] = field(repr=False)
    split: Split = field(repr=False)

    @cached_property
    def cuts(self) -> dict[str, ScanCut]:
        """What is cut, by UID, in the order of the rows: training scans, validation scans, test scans."""
        chosen = {uid: self._choose(uid) for uid in self.split.train}
        chosen |= {uid: tuple(self._candidates[uid]) for uid in (*self.split.validation, *self.split.test)}
        nodules = group_by_series(read_nodules(self.data_root, only=self.files))
        return {
            uid: ScanCut(self.files[uid], candidates, tuple(nodules[uid]))
            for uid, candidates in chosen.items()
        }

    @property
    def num_patches(self) -> int:
        """The number of patches that are cut."""
        return sum(len(cut.candidates) for cut in self.cuts.values())

    @property
    def num_left_out(self) -> int:
        """The number of candidates of the training scans that are not cut."""
        return sum(map(len, self._candidates.values())) - self.num_patches

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """The shape of one patch."""
        size_vox = self.config.patch_size_vox
        return size_vox, size_vox, size_vox

    def make_key(self) -> str:
        """Give the key of these patches; it changes with a scan's files, a table, a setting or our code."""
        tables = [find_table(self.data_root, name) for name in TABLES]
        return make_key(f"{CUTTING_VERSION} {self.config.model_dump_json()}", self.source_files, tables)

    @cached_property
    def source_files(self) -> list[Path]:
        """All files in the subset folders, as a header may name any of them."""
        folders = sorted({file.path.parent for file in self.files.values()})
        return [path for folder in folders for path in list_folder(folder)]

    @cached_property
    def _candidates(self) -> dict[str, list[Candidate]]:
        return group_by_series(read_candidates(self.data_root, only=self.files))

    def _choose(self, series_uid: str) -> tuple[Candidate, ...]:
        """Choose all nodules of a training scan and a random sample of the other candidates, in file order.

        The sample depends only on the scan and ``split_seed``, not on the other scans.
        """
        candidates = self._candidates[series_uid]
        negatives = [row for row, candidate in enumerate(candidates) if not candidate.is_nodule]
        digest = hashlib.sha256(f"{self.config.split_seed}:{series_uid}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8]))
        num_kept = min(self.config.max_negatives_per_scan, len(negatives))
        kept = set(random.choice(negatives, size=num_kept, replace=False).tolist() if negatives else ())
        return tuple(c for row, c in enumerate(candidates) if c.is_nodule or row in kept)


def plan_patches(data_root: Path, config: DataConfig, subsets: Sequence[int] | None = None) -> PatchPlan:
    """Find the scans of a shard, all subsets of ``data_root`` by default, and divide them.

    Raises FileNotFoundError or ValueError, with one line, if the data cannot be used.
    """
    files = {file.series_uid: file for file in find_listed_scans(data_root, subsets)}
    return PatchPlan(data_root, config, files, split_as_set(files, config))


def split_as_set(series_uids: Iterable[str], config: DataConfig) -> Split:
    """Divide the scans of a shard as its settings say; ValueError if they are too few."""
    return split_by_series(
        series_uids,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
