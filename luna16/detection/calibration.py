"""Turn the scores of marks into probabilities that can be believed.

Training weighs nodules and others alike, but among the marks of a whole scan nodules are rare: the sigmoid of
a score is no probability there. A logistic curve is fitted to counts of marks that were checked (Platt 1999,
"Probabilistic outputs for support vector machines", with his smoothed targets), and counts add up over sites.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luna16.counts import (
    NUM_SCORE_BINS,
    EvalCounts,
    FloatArray,
    calibration_bins,
    logits_at,
    to_probabilities,
)

MAX_STEPS = 100
CONVERGED = 1e-10


@dataclass(frozen=True)
class Calibration:
    """The curve, and on how many scans, nodules hit and false positives it was fitted."""

    slope: float
    intercept: float
    num_scans: int
    num_nodules_hit: int
    num_false_positives: int

    def adjust(self, logits: FloatArray) -> FloatArray:
        """Give the logits of the calibrated probabilities, which are in the same order."""
        return self.slope * logits + self.intercept


def fit_calibration(counts: EvalCounts) -> Calibration:
    """Fit the curve to the marks of one or many sites.

    Raises ValueError if they hold no nodule that was hit or no false positive, or if the scores do not rise
    with the share of nodules.
    """
    num_hit, num_false = int(counts.nodules_hit.sum()), int(counts.false_positives.sum())
    if not num_hit or not num_false:
        raise ValueError(
            f"Probabilities cannot be calibrated on {num_hit} nodules hit and {num_false} false positives, "
            "expected some of both."
        )
    logits = logits_at(np.arange(NUM_SCORE_BINS, dtype=np.float64) + 0.5)
    weights = (counts.nodules_hit + counts.false_positives).astype(np.float64)
    aims = counts.nodules_hit * (num_hit + 1) / (num_hit + 2) + counts.false_positives / (num_false + 2)
    slope, intercept = _fit_logistic(logits, weights, aims)
    if slope <= 0:
        raise ValueError(
            f"Probabilities cannot be calibrated: on {counts.num_scans} scans the model's scores do not rise "
            "with the share of nodules."
        )
    return Calibration(slope, intercept, counts.num_scans, num_hit, num_false)


def find_calibration_error(counts: EvalCounts, calibration: Calibration | None) -> float | None:
    """Give the mean distance between probability and share of nodules among marks, in ten bins of 0.1.

    Unlike ``counts.calibration_error`` it takes marks as often as they are: a reader meets them so. Returns
    None without a mark.
    """
    logits = logits_at(np.arange(NUM_SCORE_BINS, dtype=np.float64) + 0.5)
    probabilities = to_probabilities(calibration.adjust(logits) if calibration else logits)
    num_marks = counts.nodules_hit + counts.false_positives
    if not num_marks.sum():
        return None
    gaps = np.bincount(calibration_bins(probabilities), probabilities * num_marks - counts.nodules_hit)
    return float(np.abs(gaps).sum() / num_marks.sum())


def parse_calibration(content: Any, *, source: str) -> Calibration:
    """Check what JSON says of a calibration; ValueError that names ``source`` if it is none."""
    try:
        calibration = Calibration(
            slope=float(content["slope"]),
            intercept=float(content["intercept"]),
            num_scans=int(content["num_scans"]),
            num_nodules_hit=int(content["num_nodules_hit"]),
            num_false_positives=int(content["num_false_positives"]),
        )
    except (KeyError, TypeError, ValueError):
        calibration = None
    if calibration is None or not (
        calibration.slope > 0 and np.isfinite(calibration.adjust(np.zeros(1))).all()
    ):
        raise ValueError(f"{source}: its calibration cannot be used. Fit it again with luna16 detect-all.")
    return calibration


def read_calibration(path: Path, *, model_sha256: str) -> Calibration:
    """Read what ``luna16 detect-all`` wrote; ValueError if it is damaged or was fitted on another model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path.name} is not JSON. Fit it again with luna16 detect-all.") from None
    calibration = parse_calibration(content, source=path.name)
    if content.get("model_sha256") != model_sha256:
        raise ValueError(f"{path.name} was fitted on another model. Fit it again with luna16 detect-all.")
    return calibration


def calibration_to_json(calibration: Calibration, *, model_sha256: str) -> dict[str, Any]:
    """Give a calibration as ``read_calibration`` takes it."""
    return {"model_sha256": model_sha256, **asdict(calibration)}


def _fit_logistic(logits: FloatArray, weights: FloatArray, aims: FloatArray) -> tuple[float, float]:
    """Minimise the cross-entropy by Newton's method, with steps halved while they lead uphill.

    ``aims`` are the sums of the targets, which lie between 0 and 1, of each bin's ``weights`` marks.
    """
    features = np.stack([logits, np.ones_like(logits)])

    def loss_at(curve: FloatArray) -> float:
        adjusted = curve @ features
        return float((weights * np.logaddexp(0, adjusted) - aims * adjusted).sum())

    curve = np.array([1.0, 0.0])
    for _ in range(MAX_STEPS):
        probabilities = to_probabilities(curve @ features)
        gradient = features @ (weights * probabilities - aims)
        curvature = (features * (weights * probabilities * (1 - probabilities))) @ features.T
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        while loss_at(curve - step) > loss_at(curve) and np.abs(step).max() > CONVERGED:
            step = step / 2
        curve = curve - step
        if np.abs(step).max() < CONVERGED:
            break
    slope, intercept = curve.tolist()
    return slope, intercept
