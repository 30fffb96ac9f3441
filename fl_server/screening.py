"""Looks at a site's update before it may touch the sum: one bad site must not take over the model.

In stock FedAvg one NaN, one huge update or one made-up number of examples does. What an update must be is
checked when it comes; how long it may be is known only beside the others, so that is checked once all are in.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from fl_core.config import ScreeningConfig
from fl_core.errors import MessageError
from fl_core.messages import TaskId, Weights
from fl_core.replies import TrainReply
from fl_server.drift import measure_norm


@dataclass(frozen=True, eq=False)
class Expected:
    """What an update must fit: the task that it answers, the model that was sent, the site's patches."""

    task: TaskId
    model: Weights = field(repr=False)
    num_train_patches: int


def check_update(reply: TrainReply, expected: Expected) -> float:
    """Return the length of what an update changed; MessageError if it cannot be averaged with others."""
    if reply.task != expected.task:
        raise MessageError(f"Its update is of {reply.task}, expected {expected.task}; it was left out.")
    if not 1 <= reply.num_examples <= expected.num_train_patches:
        raise MessageError(
            f"Its update is of {reply.num_examples} examples, expected 1 to {expected.num_train_patches}, "
            "the number of its training patches; it was left out."
        )
    _check_form(reply, expected.model)
    norm = measure_norm(expected.model, reply.weights)
    if not math.isfinite(norm):
        names = (name for name, tensor in reply.weights.items() if not np.isfinite(tensor).all())
        raise MessageError(f"Its update holds NaN or infinite values in '{next(names)}'; it was left out.")
    return norm


def _check_form(reply: TrainReply, model: Weights) -> None:
    forms = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in reply.weights.items()}
    wanted = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in model.items()}
    for name in [*wanted, *forms]:
        found, meant = _describe(forms.get(name)), _describe(wanted.get(name))
        if found != meant:
            raise MessageError(
                f"Its update is not of the model that it was sent: tensor '{name[:80]}' is {found}, "
                f"expected {meant}; it was left out."
            )


def _describe(form: tuple[tuple[int, ...], str] | None) -> str:
    return f"{form[1]} {list(form[0])}" if form else "missing"


class NormScreen:
    """Finds updates that are far longer than the others, of this round and of the last ones.

    The measure is the lower median of all of them: it is an honest one as long as most are, and of two sites
    it is the shorter one's. An update that is too long is one that pulls the model to itself.
    """

    def __init__(self, config: ScreeningConfig) -> None:
        self._ratio = config.max_norm_ratio
        self._recent: deque[list[float]] = deque(maxlen=config.recent_rounds)

    @property
    def memory(self) -> list[list[float]]:
        """The norms of the last rounds."""
        return list(self._recent)

    @memory.setter
    def memory(self, kept: Iterable[list[float]]) -> None:
        self._recent.extend(kept)

    def find_too_long(self, norms: Mapping[str, float]) -> dict[str, str]:
        """Return why the update of a site is left out, by site; the norms of the others are remembered."""
        usual = lower_median([*norms.values(), *(norm for each in self._recent for norm in each)])
        bound = self._ratio * usual
        too_long = {
            site: f"Its update has norm {norm:.3g}, expected at most {bound:.3g}, which is "
            f"{self._ratio:g} times the usual one; it was left out."
            for site, norm in norms.items()
            if norm > bound
        }
        self._recent.append([norm for site, norm in norms.items() if site not in too_long])
        return too_long


def lower_median(values: Iterable[float]) -> float:
    """Return the middle value, of two the lower one; 0 if there is none."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2] if ordered else 0.0


class Strikes:
    """Counts how often each site sent what could not be used; a good update wipes none out."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._counts: dict[str, int] = {}

    @property
    def memory(self) -> dict[str, int]:
        """How many there are against each site."""
        return self._counts

    @memory.setter
    def memory(self, kept: Mapping[str, int]) -> None:
        self._counts = dict(kept)

    def add(self, site: str) -> bool:
        """Count one more against a site, and say whether it has to sit out from now on."""
        self._counts[site] = self._counts.get(site, 0) + 1
        if self._allowed == 0 or self._counts[site] < self._allowed:
            return False
        self._counts[site] = 0  # whoever is let back begins anew
        return True
