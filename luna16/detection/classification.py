"""Let the network judge the candidates of one scan."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from luna16.checkpoint import Checkpoint
from luna16.detection.stages import OnStep
from luna16.geometry import Vector3
from luna16.model import select_precision
from luna16.patches import extract_patch, scale_patches
from luna16.scan import Int16Array, Scan

FloatArray = npt.NDArray[np.float64]

BATCH_SIZE = 32
FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4))
"""The axes of (B, 1, D, H, W) along which a patch is mirrored: a nodule stays one."""


def score_places(
    scan: Scan,
    centers_xyz_mm: Sequence[Vector3],
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    on_step: OnStep | None = None,
) -> FloatArray:
    """Give the logit of each place in a scan, the mean over its patch's mirror images; float64 of shape (N,).

    Raises ValueError if the model gives NaN.
    """
    checkpoint.model.to(device).eval()
    logits = np.empty(len(centers_xyz_mm))
    for start in range(0, len(logits), BATCH_SIZE):
        centers = centers_xyz_mm[start : start + BATCH_SIZE]
        patches_hu = np.stack([extract_patch(scan, center, checkpoint.data) for center in centers])
        logits[start : start + BATCH_SIZE] = score_patches(patches_hu, checkpoint, device)
        if on_step:
            on_step(start + len(centers), len(logits))
    if np.isnan(logits).any():
        raise ValueError("The model gave NaN for a candidate; its weights cannot be scored.")
    return logits


@torch.inference_mode()
def score_patches(patches_hu: Int16Array, checkpoint: Checkpoint, device: torch.device) -> FloatArray:
    """Give the mean logit over the mirror images of each patch; int16 HU of shape (B, D, H, W) to (B,)."""
    patches = scale_patches(patches_hu, checkpoint.data, device)
    precision = select_precision("auto", device)
    with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
        scores = [checkpoint.model(patches.flip(axes))[:, 0].double() for axes in FLIPS]
    logits: FloatArray = torch.stack(scores).mean(dim=0).cpu().numpy()
    return logits
