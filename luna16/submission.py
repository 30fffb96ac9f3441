"""The table of marks that the LUNA16 challenge takes; it holds scan UIDs and stays on this disk."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from luna16.annotations import COORDINATES, Candidate
from luna16.counts import FloatArray, to_probabilities
from luna16.whole_files import written_whole

COLUMNS = ("seriesuid", *COORDINATES, "probability")


def check_is_free(path: Path) -> None:
    """Raise ValueError if a submission cannot be written to ``path``, before hours are spent on it."""
    if path.exists():
        raise ValueError(f"{path} exists already. Name another file with --out, or remove it.")
    if not path.parent.is_dir():
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path} cannot be written: {path.parent} is read-only. Name another with --out.")


def write_submission(path: Path, candidates: Sequence[Candidate], logits: FloatArray) -> None:
    """Write a row for each candidate, in the form of noduleCADEvaluationLUNA16.py.

    Probabilities have all digits of a float64, so that they are in the order of the logits up to a logit of
    about 36. The file appears under its name only when it is complete; an older one is replaced.
    """
    with written_whole(path) as (partial,), partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for candidate, probability in zip(candidates, to_probabilities(logits).tolist(), strict=True):
            writer.writerow([candidate.series_uid, *candidate.center_xyz_mm, probability])
