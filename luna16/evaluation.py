"""Score a model on the validation scans of a shard."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from luna16.annotations import group_by_series
from luna16.config import DataConfig, EvaluationConfig
from luna16.counts import EvalCounts
from luna16.dataset import PatchSet, read_batch
from luna16.froc import count_marks
from luna16.scan_scores import ScanScores, count_scans
from luna16.smaller_batches import halve_until_it_fits

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


def predict_logits(
    model: torch.nn.Module,
    patch_set: PatchSet,
    data: DataConfig,
    config: EvaluationConfig,
    *,
    device: torch.device,
    on_step: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Give the logit of each patch, float64 of shape (N,).

    Where the GPU's memory is too small it is done anew with half the batch.

    Raises ValueError if the model gives NaN, or not even a batch of 1 fits.
    """

    def predict(batch_size: int) -> FloatArray:
        return _predict(model, patch_set, data, batch_size, device=device, on_step=on_step)

    return halve_until_it_fits(predict, config.batch_size, what="the evaluation")


@torch.inference_mode()
def _predict(
    model: torch.nn.Module,
    patch_set: PatchSet,
    data: DataConfig,
    batch_size: int,
    *,
    device: torch.device,
    on_step: Callable[[int, int], None] | None,
) -> FloatArray:
    model.to(device).eval()
    logits = np.empty(len(patch_set.candidates))
    starts = range(0, len(logits), batch_size)
    for step, start in enumerate(starts, start=1):
        indices = np.arange(start, min(start + batch_size, len(logits)))
        patches, _ = read_batch(patch_set, indices, data, device)
        logits[indices] = model(patches)[:, 0].cpu().numpy()
        if np.isnan(logits[indices]).any():
            raise ValueError("The model gave NaN for a candidate; its weights cannot be scored.")
        if on_step:
            on_step(step, len(starts))
    return logits


def count_logits(logits: FloatArray, validation: PatchSet) -> EvalCounts:
    """Turn the logits of a patch set, shape (N,), into counts that add up over sites."""
    return count_scans(group_by_scan(logits, validation))


def group_by_scan(logits: FloatArray, patch_set: PatchSet) -> list[ScanScores]:
    """Give the logits of a patch set, shape (N,), scan by scan, with the marks that they make."""
    centers_xyz_mm = np.array([c.center_xyz_mm for c in patch_set.candidates]).reshape(-1, 3)
    rows = defaultdict(list)
    for row, candidate in enumerate(patch_set.candidates):
        rows[candidate.series_uid].append(row)
    nodules, excluded = group_by_series(patch_set.nodules), group_by_series(patch_set.excluded)

    def group(uid: str) -> ScanScores:
        of_scan = np.array(rows[uid], dtype=int)
        marks = count_marks(centers_xyz_mm[of_scan], logits[of_scan], nodules[uid], excluded[uid])
        return ScanScores(uid, logits[of_scan], patch_set.is_nodule[of_scan], marks)

    return [group(uid) for uid in patch_set.series_uids]
