"""Score a model on the validation scans of a shard."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from luna16.annotations import group_by_series
from luna16.config import DataConfig, EvaluationConfig
from luna16.counts import NUM_SCORE_BINS, EvalCounts, IntArray, Score, bin_logits, score
from luna16.dataset import PatchSet, read_batch
from luna16.froc import ScanMarks, count_marks

FloatArray = npt.NDArray[np.float64]


def evaluate(
    model: torch.nn.Module,
    validation: PatchSet,
    data: DataConfig,
    config: EvaluationConfig,
    *,
    device: torch.device,
    on_step: Callable[[int, int], None] | None = None,
) -> EvalCounts:
    """Count how ``model`` scores the candidates of the validation scans.

    ``on_step`` is told the batch done and the number of batches.

    Raises ValueError if the model gives NaN.
    """
    logits = predict_logits(model, validation, data, config, device=device, on_step=on_step)
    return count_logits(logits, validation)


@torch.inference_mode()
def predict_logits(
    model: torch.nn.Module,
    patch_set: PatchSet,
    data: DataConfig,
    config: EvaluationConfig,
    *,
    device: torch.device,
    on_step: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Give the logit of each patch, float64 of shape (N,)."""
    model.to(device).eval()
    logits = np.empty(len(patch_set.candidates))
    starts = range(0, len(logits), config.batch_size)
    for step, start in enumerate(starts, start=1):
        indices = np.arange(start, min(start + config.batch_size, len(logits)))
        patches, _ = read_batch(patch_set, indices, data, device)
        logits[indices] = model(patches)[:, 0].cpu().numpy()
        if on_step:
            on_step(step, len(starts))
    return logits


def count_logits(logits: FloatArray, validation: PatchSet) -> EvalCounts:
    """Turn the logits of a patch set, shape (N,), into counts that add up over sites.

    Raises ValueError if one of them is NaN.
    """
    return _count(logits, validation, bin_logits, NUM_SCORE_BINS)


def score_exactly(logits: FloatArray, patch_set: PatchSet) -> Score:
    """Score the logits of a patch set, shape (N,), without the error of bins; needs all logits in one place.

    Raises ValueError if one of them is NaN.
    """
    levels = np.unique(logits)
    counts = _count(logits, patch_set, lambda values: np.searchsorted(levels, values), len(levels))
    return score(counts, levels)


def _count(
    logits: FloatArray, patch_set: PatchSet, find_bins: Callable[[FloatArray], IntArray], num_bins: int
) -> EvalCounts:
    if np.isnan(logits).any():
        raise ValueError("The model gave NaN for a candidate; its weights cannot be scored.")

    def count(values: FloatArray) -> IntArray:
        return np.bincount(find_bins(values), minlength=num_bins).astype(np.int64)

    is_nodule = patch_set.is_nodule
    losses = np.logaddexp(0, np.where(is_nodule, -logits, logits))
    marks = list(_marks_by_scan(logits, patch_set))
    return EvalCounts(
        num_scans=patch_set.num_scans,
        num_nodules=patch_set.num_nodules,
        positive_loss_sum=float(losses[is_nodule].sum()),
        negative_loss_sum=float(losses[~is_nodule].sum()),
        positives=count(logits[is_nodule]),
        negatives=count(logits[~is_nodule]),
        nodules_hit=count(np.concatenate([np.empty(0), *(scan.hit_scores for scan in marks)])),
        false_positives=count(np.concatenate([np.empty(0), *(scan.false_positive_scores for scan in marks)])),
    )


def _marks_by_scan(logits: FloatArray, validation: PatchSet) -> Iterator[ScanMarks]:
    centers_xyz_mm = np.array([c.center_xyz_mm for c in validation.candidates]).reshape(-1, 3)
    rows = defaultdict(list)
    for row, candidate in enumerate(validation.candidates):
        rows[candidate.series_uid].append(row)
    nodules, excluded = group_by_series(validation.nodules), group_by_series(validation.excluded)
    for uid in validation.series_uids:
        of_scan = np.array(rows[uid], dtype=int)
        yield count_marks(centers_xyz_mm[of_scan], logits[of_scan], nodules[uid], excluded[uid])
