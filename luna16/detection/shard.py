"""Find the nodules in a site's validation scans, to know how good the whole chain is there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from luna16.annotations import group_by_series
from luna16.dataset import PatchSet
from luna16.detection.data_set import detect_in_file
from luna16.detection.detector import Detector
from luna16.detection.mark_scores import DetectionScores, score_detection
from luna16.detection.marks import Detection
from luna16.scan import ScanFile, find_scans

NOTHING = Detection(marks=(), candidates_xyz_mm=(), warnings=(), seconds={})


@dataclass(frozen=True, eq=False)
class DetectedShard:
    """What each scan tells; ``faults`` say of scans in which nothing could be found why, by their place."""

    scans: tuple[DetectionScores, ...]
    faults: tuple[str, ...]


def detect_in_shard(
    detector: Detector,
    data_root: Path,
    validation: PatchSet,
    *,
    device: torch.device,
    subsets: Sequence[int] | None = None,
    on_scan: Callable[[int, int], None] | None = None,
) -> DetectedShard:
    """Find the nodules of every validation scan, with one scan in memory at a time.

    A scan in which nothing can be found, as one without lungs or one that is not there any more, counts with
    all its nodules missed: left out it would make the chain look better than it is. ``on_scan`` is told the
    scans done and all scans.
    """
    files = {file.series_uid: file for file in find_scans(data_root, subsets)}
    nodules, excluded = group_by_series(validation.nodules), group_by_series(validation.excluded)
    scans: list[DetectionScores] = []
    faults: list[str] = []
    for num_done, uid in enumerate(validation.series_uids, start=1):
        try:
            detection = detect_in_file(_find(uid, files), detector, device)
        except ValueError as error:
            faults.append(str(error))
            detection = NOTHING
        scans.append(score_detection(uid, detection, nodules[uid], excluded[uid]))
        if on_scan:
            on_scan(num_done, validation.num_scans)
    return DetectedShard(tuple(scans), tuple(faults))


def _find(series_uid: str, files: Mapping[str, ScanFile]) -> ScanFile:
    if series_uid not in files:
        raise ValueError("A scan that patches were cut from is not there any more.")
    return files[series_uid]
