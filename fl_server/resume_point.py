"""What a run goes on from when its coordinator was killed: all that lasts from round to round, in one file.

It is written after each round, whole or not at all. The one before is kept beside it, in case that a disk
loses what it was given. Nothing is ever unpickled.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fl_core.errors import UsageError
from luna16.whole_files import written_whole

logger = logging.getLogger(__name__)

FORMAT = 1
NAME, NAME_BEFORE = "resume.safetensors", "resume-before.safetensors"
WEIGHTS, MOMENTS = "weights/", "moments/"

Weights = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ResumePoint:
    """A run after ``round_no`` rounds: its model, its strategy's moments, and what else is remembered."""

    round_no: int
    weights: Weights = field(repr=False)
    moments: Weights = field(repr=False)
    memory: Mapping[str, Any]


def keep_resume_point(folder: Path, point: ResumePoint) -> None:
    """Write a resume point in the place of the last one, which becomes the one before."""
    tensors = _name(WEIGHTS, point.weights) | _name(MOMENTS, point.moments)
    about = {
        "round_no": point.round_no,
        "names": list(tensors),  # their order, which safetensors forgets and FedAvgM goes by
        "memory": point.memory,
        "sha256": _hash(tensors),
    }
    path = folder / NAME
    with written_whole(path, replaced=folder / NAME_BEFORE) as (partial,):
        partial.write_bytes(save(tensors, metadata={"format": str(FORMAT), "about": json.dumps(about)}))


def find_resume_point(folder: Path) -> ResumePoint | None:
    """Return the newest resume point that is whole, None if there is none; one that is damaged is warned of.

    Raises UsageError if a newer FedLuna has written it.
    """
    for path in (folder / NAME, folder / NAME_BEFORE):
        if not path.exists():
            continue
        try:
            return _read(path)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            logger.warning(
                "%s is damaged (%s); the run goes on from what was kept before.", path, type(error).__name__
            )
    return None


def _read(path: Path) -> ResumePoint:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if int(metadata["format"]) > FORMAT:
            raise UsageError(f"{path} is of a newer FedLuna. Go on with that one.")
        about = json.loads(metadata["about"])
        tensors = {name: file.get_tensor(name) for name in about["names"]}
    if about["sha256"] != _hash(tensors):
        raise ValueError("Its tensors are not those that were written.")
    weights, moments = (_select(kind, tensors) for kind in (WEIGHTS, MOMENTS))
    return ResumePoint(int(about["round_no"]), weights, moments, about["memory"])


def _name(kind: str, tensors: Weights) -> dict[str, Any]:
    return {kind + name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}


def _select(kind: str, tensors: Weights) -> dict[str, Any]:
    return {name.removeprefix(kind): tensor for name, tensor in tensors.items() if name.startswith(kind)}


def _hash(tensors: Weights) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
