"""How good the marks of whole scans are: what one scan tells, and the counts of it that add up over sites."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from luna16.annotations import Nodule
from luna16.counts import FloatArray
from luna16.detection.counts import DetectionCounts
from luna16.detection.marks import Detection
from luna16.froc import count_marks, is_hit
from luna16.scan_scores import ScanScores, count_scans


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """One scan: its marks as candidates of the score, and how near they are to the nodules that they hit.

    ``num_nodules_proposed`` are the nodules that some place hits which the network judged.

    Of each nodule hit, the likeliest mark is measured: its distance from the centre, and its diameter as a
    share of the annotated one, which has no entry if that is not known.
    """

    scores: ScanScores = field(repr=False)
    num_candidates: int
    num_nodules_proposed: int
    distances_mm: FloatArray
    diameter_ratios: FloatArray


def score_detection(
    series_uid: str, detection: Detection, nodules: Sequence[Nodule], excluded: Sequence[Nodule]
) -> DetectionScores:
    """Compare the marks of a scan with its annotations, by the rules of the challenge."""
    centers_xyz_mm = np.array([mark.center_xyz_mm for mark in detection.marks]).reshape(-1, 3)
    logits = np.array([mark.logit for mark in detection.marks], np.float64)
    candidates_xyz_mm = np.array(detection.candidates_xyz_mm).reshape(-1, 3)
    hits = np.array([is_hit(centers_xyz_mm, nodule) for nodule in nodules]).reshape(len(nodules), len(logits))
    best = [
        (nodule, detection.marks[int(hit.argmax())])
        for nodule, hit in zip(nodules, hits, strict=True)
        if hit.any()
    ]
    return DetectionScores(
        scores=ScanScores(
            series_uid=series_uid,
            logits=logits,
            is_nodule=np.asarray(hits.any(axis=0)),
            marks=count_marks(centers_xyz_mm, logits, nodules, excluded),
        ),
        num_candidates=detection.num_candidates,
        num_nodules_proposed=sum(bool(is_hit(candidates_xyz_mm, nodule).any()) for nodule in nodules),
        distances_mm=np.array(
            [np.linalg.norm(np.subtract(mark.center_xyz_mm, nodule.center_xyz_mm)) for nodule, mark in best]
        ),
        diameter_ratios=np.array(
            [mark.diameter_mm / nodule.diameter_mm for nodule, mark in best if nodule.diameter_mm > 0]
        ),
    )


def count_detections(scans: Sequence[DetectionScores]) -> DetectionCounts:
    """Turn what scans tell into counts that add up over sites."""
    return DetectionCounts(
        marks=count_scans([scan.scores for scan in scans]),
        num_candidates=sum(scan.num_candidates for scan in scans),
        num_nodules_proposed=sum(scan.num_nodules_proposed for scan in scans),
    )
