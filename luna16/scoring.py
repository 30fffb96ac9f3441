"""Score every candidate of a data set with a model, with one scan in memory at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from luna16.annotations import (
    Candidate,
    Nodule,
    group_by_series,
    read_candidates,
    read_excluded,
    read_nodules,
)
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, EvaluationConfig
from luna16.dataset import PatchSet
from luna16.evaluation import group_by_scan, predict_logits
from luna16.patch_plan import split_as_set
from luna16.patches import cut_scan
from luna16.scan import ScanFile
from luna16.scan_scores import FloatArray, ScanScores


@dataclass(frozen=True, eq=False)
class ScoredDataSet:
    """The scores of each scan, and the candidates of all scans in the same order.

    ``set_aside`` says of each scan that could not be used why, and names it by its place.
    """

    candidates: tuple[Candidate, ...] = field(repr=False)
    scans: tuple[ScanScores, ...]
    set_aside: tuple[str, ...]

    @property
    def logits(self) -> FloatArray:
        """The logit of each candidate, shape (N,)."""
        return np.concatenate([scan.logits for scan in self.scans])


def keep_validation(files: Sequence[ScanFile], checkpoint: Checkpoint) -> list[ScanFile]:
    """Keep the scans on which the model was not trained, if ``files`` are all those of its site or sites.

    Raises ValueError if they are too few to be divided.
    """
    groups: dict[int, list[str]] = {}
    for file in files:
        groups.setdefault(file.subset if checkpoint.has_site_per_subset else 0, []).append(file.series_uid)
    kept = {uid for uids in groups.values() for uid in split_as_set(uids, checkpoint.data).validation}
    return [file for file in files if file.series_uid in kept]


def score_data_set(
    checkpoint: Checkpoint,
    data_root: Path,
    files: Sequence[ScanFile],
    *,
    device: torch.device,
    on_scan: Callable[[int, int], None] | None = None,
) -> ScoredDataSet:
    """Cut and score the candidates of all ``files``; scans that cannot be used are set aside.

    ``on_scan`` is told the number of scans done and of all scans.

    Raises FileNotFoundError or ValueError if a table cannot be used, if no candidate could be scored, or if
    the model gives NaN.
    """
    findings = _read_findings(data_root, files)
    candidates: list[Candidate] = []
    scans: list[ScanScores] = []
    set_aside: list[str] = []
    for num_done, file in enumerate(files, start=1):
        try:
            patch_set = _cut_scan(file, findings, checkpoint.data)
        except ValueError as error:
            set_aside.append(str(error))
        else:
            scans.append(_score_scan(checkpoint, patch_set, device))
            candidates += patch_set.candidates
        if on_scan:
            on_scan(num_done, len(files))
    if not candidates:
        raise ValueError(_explain_nothing(data_root, len(files), set_aside))
    return ScoredDataSet(tuple(candidates), tuple(scans), tuple(set_aside))


@dataclass(frozen=True)
class _Findings:
    """What the tables say of the scans, by series."""

    candidates: dict[str, list[Candidate]]
    nodules: dict[str, list[Nodule]]
    excluded: dict[str, list[Nodule]]


def _read_findings(data_root: Path, files: Sequence[ScanFile]) -> _Findings:
    only = {file.series_uid for file in files}
    return _Findings(
        candidates=group_by_series(read_candidates(data_root, only=only)),
        nodules=group_by_series(read_nodules(data_root, only=only)),
        excluded=group_by_series(read_excluded(data_root, only=only)),
    )


def _cut_scan(file: ScanFile, findings: _Findings, config: DataConfig) -> PatchSet:
    uid = file.series_uid
    candidates, nodules = findings.candidates[uid], findings.nodules[uid]
    patches_hu = cut_scan(file, candidates, nodules, config)
    return PatchSet(patches_hu, tuple(candidates), (uid,), tuple(nodules), tuple(findings.excluded[uid]))


def _score_scan(checkpoint: Checkpoint, patch_set: PatchSet, device: torch.device) -> ScanScores:
    logits = predict_logits(checkpoint.model, patch_set, checkpoint.data, EvaluationConfig(), device=device)
    [scan] = group_by_scan(logits, patch_set)
    return scan


def _explain_nothing(data_root: Path, num_scans: int, set_aside: Sequence[str]) -> str:
    if set_aside:
        return (
            f"None of the {num_scans} scans has a candidate that can be scored. First fault: {set_aside[0]}"
        )
    return f"candidates_V2.csv has no candidate in the {num_scans} scans of {data_root}. Check --subset."
