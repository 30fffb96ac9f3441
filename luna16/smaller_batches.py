"""Half the batch, and half again, where the memory of the GPU is too small."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

ResultT = TypeVar("ResultT")

logger = logging.getLogger(__name__)


def halve_until_it_fits(work: Callable[[int], ResultT], batch_size: int, *, what: str) -> ResultT:
    """Give what ``work`` makes with batches of a size, or with the largest half of it that the GPU can hold.

    ``work`` begins anew each time; ``what`` names it in the log. ValueError if not even a batch of 1 fits.
    """
    while True:
        try:
            return work(batch_size)
        except torch.OutOfMemoryError as error:
            if batch_size == 1:
                raise ValueError(
                    f"The GPU has not enough memory for {what}, even with batches of 1. "
                    "End other programs on it, choose a smaller network or patch_size_vox, or --device cpu."
                ) from error
        torch.cuda.empty_cache()  # here, as the error holds on to what the work has allocated
        smaller = batch_size // 2
        told = "The GPU ran out of memory with batches of %d: %s begins anew with batches of %d."
        logger.warning(told, batch_size, what, smaller)
        batch_size = smaller
