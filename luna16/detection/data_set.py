"""Find the nodules of every scan of a data set, with one scan in memory at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from luna16.annotations import Candidate, group_by_series, read_excluded, read_nodules
from luna16.detection.detector import Detector, detect_nodules
from luna16.detection.kept import KeptDetections
from luna16.detection.mark_scores import DetectionScores, score_detection
from luna16.detection.marks import Detection
from luna16.scan import ScanFile, load_scan
from luna16.submission import write_submission


@dataclass(frozen=True, eq=False)
class DetectedDataSet:
    """The detection of each scan that could be used, its scores, and why others could not be."""

    files: tuple[ScanFile, ...]
    detections: tuple[Detection, ...]
    scores: tuple[DetectionScores, ...]
    set_aside: tuple[str, ...]


def detect_data_set(
    detector: Detector,
    data_root: Path,
    files: Sequence[ScanFile],
    kept: KeptDetections,
    *,
    device: torch.device,
    on_scan: Callable[[int, int], None] | None = None,
) -> DetectedDataSet:
    """Find the nodules of ``files`` but for scans whose marks are ``kept``, and compare all with the tables.

    ``on_scan`` is told the number of scans done and of all scans.

    Raises FileNotFoundError or ValueError if a table cannot be used or no scan can.
    """
    only = {file.series_uid for file in files}
    nodules = group_by_series(read_nodules(data_root, only=only))
    excluded = group_by_series(read_excluded(data_root, only=only))
    found: list[tuple[ScanFile, Detection]] = []
    set_aside: list[str] = []
    for num_done, file in enumerate(files, start=1):
        try:
            found.append((file, kept.find(file) or _detect_and_keep(file, detector, kept, device)))
        except ValueError as error:
            set_aside.append(str(error))
        if on_scan:
            on_scan(num_done, len(files))
    if not found:
        raise ValueError(f"None of the {len(files)} scans can be used. First fault: {set_aside[0]}")
    scores = [
        score_detection(file.series_uid, each, nodules[file.series_uid], excluded[file.series_uid])
        for file, each in found
    ]
    return DetectedDataSet(*map(tuple, (*zip(*found, strict=True), scores, set_aside)))


def detect_in_file(file: ScanFile, detector: Detector, device: torch.device) -> Detection:
    """Find the nodules of a scan; ValueError, which tells its place, if it cannot be used."""
    scan = load_scan(file)
    try:
        return detect_nodules(scan, detector, device=device)
    except ValueError as error:
        raise ValueError(f"{file.place}: {error}") from error


def _detect_and_keep(
    file: ScanFile, detector: Detector, kept: KeptDetections, device: torch.device
) -> Detection:
    detection = detect_in_file(file, detector, device)
    kept.keep(file, detection)
    return detection


def write_marks(path: Path, found: DetectedDataSet, detector: Detector) -> None:
    """Write all marks as the challenge's table, which is replaced."""
    rows = [
        (Candidate(file.series_uid, mark.center_xyz_mm, is_nodule=False), mark.logit)
        for file, detection in zip(found.files, found.detections, strict=True)
        for mark in detection.marks
    ]
    logits = np.array([logit for _, logit in rows], np.float64)
    write_submission(path, [candidate for candidate, _ in rows], detector.adjust(logits))
