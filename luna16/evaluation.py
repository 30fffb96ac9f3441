"""Score a model on the validation scans of a shard."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from luna16.annotations import group_by_series
from luna16.config import DataConfig, EvaluationConfig
from luna16.counts import EvalCounts, count_by_bin
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
    if np.isnan(logits).any():
        raise ValueError("The model gave NaN for a candidate; its weights cannot be scored.")
    losses = np.logaddexp(0, np.where(validation.is_nodule, -logits, logits))
    marks = list(_marks_by_scan(logits, validation))
    hit_scores = np.concatenate([np.empty(0), *(scan.hit_scores for scan in marks)])
    false_positive_scores = np.concatenate([np.empty(0), *(scan.false_positive_scores for scan in marks)])
    return EvalCounts(
        num_scans=validation.num_scans,
        num_nodules=validation.num_nodules,
        positive_loss_sum=float(losses[validation.is_nodule].sum()),
        negative_loss_sum=float(losses[~validation.is_nodule].sum()),
        positives=count_by_bin(logits[validation.is_nodule]),
        negatives=count_by_bin(logits[~validation.is_nodule]),
        nodules_hit=count_by_bin(hit_scores),
        false_positives=count_by_bin(false_positive_scores),
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
