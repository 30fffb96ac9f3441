"""Numbers from a site, turned into our records and checked: a site's message is input from outside.

Every function raises MessageError with one line that names the number and what was expected.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from fl_core.errors import MessageError
from luna16.counts import (
    NUM_BANDS,
    NUM_REPLICATE_BINS,
    NUM_REPLICATES,
    NUM_SCORE_BINS,
    BandCounts,
    EvalCounts,
    IntArray,
    Replicates,
)
from luna16.detection.counts import DetectionCounts

Number = int | float | list[int] | list[float]
Numbers = Mapping[str, Any]

BAND_PREFIX = "band_"
MARK_PREFIX = "mark_"
DETECTION_TOTALS = ("num_candidates", "num_nodules_proposed")
SHAPE_PER_REPLICATE = (NUM_REPLICATES,)
SHAPE_PER_BIN = (NUM_REPLICATES, NUM_REPLICATE_BINS)


def read_number(numbers: Numbers, name: str) -> float:
    """Return a finite number from 0."""
    value = numbers.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise MessageError(f"The message says {name} is {_show(value)}, expected a finite number from 0.")
    return float(value)


def read_count(numbers: Numbers, name: str) -> int:
    """Return a whole number from 0."""
    value = read_number(numbers, name)
    if value != int(value):
        raise MessageError(f"The message says {name} is {value}, expected a whole number from 0.")
    return int(value)


def list_counts(counts: EvalCounts, bands: BandCounts) -> dict[str, Number]:
    """Give counts as numbers and lists of numbers, by name."""
    by_band = {BAND_PREFIX + name: array.ravel().tolist() for name, array in vars(bands).items()}
    return _list_arrays(counts) | by_band


def list_detection(counts: DetectionCounts) -> dict[str, Number]:
    """Give the counts of whole scans' marks as numbers and lists of numbers, by name."""
    numbers = {MARK_PREFIX + name: value for name, value in _list_arrays(counts.marks).items()}
    return numbers | {name: getattr(counts, name) for name in DETECTION_TOTALS}


def read_detection(numbers: Numbers) -> DetectionCounts:
    """Return a site's counts of whole scans' marks; no more nodules may be proposed than there are."""
    marks = read_counts(numbers, MARK_PREFIX)
    num_candidates, num_proposed = (read_count(numbers, name) for name in DETECTION_TOTALS)
    if not int(marks.nodules_hit.sum()) <= num_proposed <= marks.num_nodules:
        raise MessageError(f"The message says {num_proposed} nodules were proposed of {marks.num_nodules}.")
    return DetectionCounts(marks, num_candidates, num_proposed)


def read_counts(numbers: Numbers, prefix: str = "") -> EvalCounts:
    """Return a site's counts; no more nodules may be hit than there are."""
    counts = EvalCounts(
        num_scans=read_count(numbers, prefix + "num_scans"),
        num_nodules=read_count(numbers, prefix + "num_nodules"),
        positive_loss_sum=read_number(numbers, prefix + "positive_loss_sum"),
        negative_loss_sum=read_number(numbers, prefix + "negative_loss_sum"),
        positives=_read_bins(numbers, prefix + "positives"),
        negatives=_read_bins(numbers, prefix + "negatives"),
        nodules_hit=_read_bins(numbers, prefix + "nodules_hit"),
        false_positives=_read_bins(numbers, prefix + "false_positives"),
    )
    if (num_hit := int(counts.nodules_hit.sum())) > counts.num_nodules:
        raise MessageError(f"The message says {num_hit} nodules were hit of {counts.num_nodules}.")
    return counts


def read_bands(numbers: Numbers, counts: EvalCounts) -> BandCounts:
    """Return a site's counts by diameter, which must add up to those of all nodules."""
    num_nodules = _read_bins(numbers, BAND_PREFIX + "num_nodules", NUM_BANDS)
    hit = _read_bins(numbers, BAND_PREFIX + "nodules_hit", NUM_BANDS * NUM_SCORE_BINS)
    bands = BandCounts(num_nodules, hit.reshape(NUM_BANDS, NUM_SCORE_BINS))
    is_whole = bands.num_nodules.sum() == counts.num_nodules
    is_possible = (bands.nodules_hit.sum(axis=1) <= bands.num_nodules).all()
    if not (is_whole and is_possible and np.array_equal(bands.nodules_hit.sum(axis=0), counts.nodules_hit)):
        raise MessageError("The message's counts by diameter do not add up to those of all nodules.")
    return bands


def read_replicates(arrays: Mapping[str, npt.NDArray[Any]]) -> Replicates:
    """Return a site's replicates, which must be counts in the shapes that were agreed upon."""
    names = [field.name for field in fields(Replicates)]
    shapes = {name: SHAPE_PER_REPLICATE if name.startswith("num_") else SHAPE_PER_BIN for name in names}
    is_sound = {name: array.shape for name, array in arrays.items()} == shapes and all(
        array.dtype == np.int32 and array.min() >= 0 for array in arrays.values()
    )
    if not is_sound:
        raise MessageError(f"The message's replicates are not {NUM_REPLICATES} times counts from 0.")
    return Replicates(**arrays)


def _list_arrays(counts: EvalCounts) -> dict[str, Number]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(counts).items()
    }


def _read_bins(numbers: Numbers, name: str, num_bins: int = NUM_SCORE_BINS) -> IntArray:
    value = np.asarray(numbers.get(name))
    if value.shape != (num_bins,) or value.dtype != np.int64 or value.min() < 0:
        raise MessageError(f"The message's {name} is not {num_bins} counts from 0.")
    return value


def _show(value: object) -> str:
    return "missing" if value is None else "a list" if isinstance(value, list) else repr(value)
