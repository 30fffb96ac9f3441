"""From a CT to its nodules: the whole chain, with one model."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from luna16.checkpoint import Checkpoint
from luna16.counts import to_probabilities
from luna16.detection.calibration import Calibration
from luna16.detection.candidates import find_blobs
from luna16.detection.classification import FloatArray, score_places
from luna16.detection.lungs import find_lungs
from luna16.detection.marks import Detection, Mark, merge_marks
from luna16.detection.measuring import measure_blob
from luna16.detection.stages import OnProgress, Stages
from luna16.detection.upright import make_upright, resample_evenly
from luna16.geometry import Vector3
from luna16.scan import Scan

DETECTOR_VERSION = (
    2  # raise it when the same scan and model give other marks: kept results are then made anew
)
SPACING_MM = 1.0


@dataclass(frozen=True, eq=False)
class Detector:
    """A model, which file it is, and how its scores become probabilities.

    Without a ``calibration`` they are the sigmoid of the score, which is none; ``calibration_source`` says
    where it was read. ``run_id`` and ``round_no`` are those of the federation, if a run made the model.
    """

    checkpoint: Checkpoint
    sha256: str
    network: str
    run_id: str | None = None
    round_no: int | None = None
    calibration: Calibration | None = None
    calibration_source: str = ""

    def adjust(self, logits: FloatArray) -> FloatArray:
        """Give the logits of the probabilities that are shown."""
        return self.calibration.adjust(logits) if self.calibration else logits


def detect_nodules(
    scan: Scan, detector: Detector, *, device: torch.device, on_progress: OnProgress | None = None
) -> Detection:
    """Find the nodules of a scan; the same scan gives the same marks however it is stored.

    ``on_progress`` is told the stage, and how many of its steps are done and of how many.

    Raises ValueError if the scan shows no lungs or the model gives NaN.
    """
    stages = Stages(on_progress)
    with stages.stage("lungs"):
        upright = make_upright(scan)
        even = resample_evenly(upright, SPACING_MM)
        lungs = find_lungs(even)
    with stages.stage("candidates") as on_step:
        blobs = find_blobs(even, lungs, on_step=on_step)
    with stages.stage("measuring") as on_step:
        found = [measure_blob(even, lungs, blob) for blob in blobs]
    places, diameters_mm = [place for place, _ in found], [diameter_mm for _, diameter_mm in found]
    with stages.stage("classifying") as on_step:
        logits = score_places(upright, places, detector.checkpoint, device=device, on_step=on_step)
    marks = merge_marks(make_marks(places, diameters_mm, logits, detector))
    return Detection(marks, tuple(places), lungs.warnings, stages.seconds)


def make_marks(
    places: Sequence[Vector3], diameters_mm: Sequence[float], logits: FloatArray, detector: Detector
) -> tuple[Mark, ...]:
    """Give the marks at places, with their probabilities."""
    probabilities = to_probabilities(detector.adjust(logits))
    columns = places, diameters_mm, logits.tolist(), probabilities.tolist()
    return tuple(Mark(*row) for row in zip(*columns, strict=True))
