"""How long a site may take for a task, learnt from how long it took for such tasks before."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

FACTOR = 3.0
SHORTEST_LIMIT_S = 60.0
NUM_REMEMBERED = 5


class Pace:
    """Gives each site three times what the slowest of its last five tasks of that kind took.

    That is a minute at least, as short tasks vary most, and ``longest_s`` at most, which a site has of which
    nothing is known. Times are for one of ``size``, the number of epochs in a round: rounds may differ.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._taken_s: dict[str, deque[float]] = {}

    @property
    def memory(self) -> dict[str, Any]:
        """All that was learnt, as JSON can hold it."""
        return {key: list(taken) for key, taken in self._taken_s.items()}

    @memory.setter
    def memory(self, kept: Mapping[str, Sequence[float]]) -> None:
        self._taken_s = {key: deque(map(float, taken), NUM_REMEMBERED) for key, taken in kept.items()}

    def learn(self, site: str, kind: str, size: float, taken_s: float) -> None:
        """Take in that a site took ``taken_s`` for a task, or at least so long."""
        self._taken_s.setdefault(f"{site}/{kind}", deque(maxlen=NUM_REMEMBERED)).append(taken_s / size)

    def find_limit_s(self, site: str, kind: str, size: float) -> float:
        """Return how long a site may take for a task, from when it is sent until the answer is here."""
        taken_s = self._taken_s.get(f"{site}/{kind}")
        if not taken_s:
            return self._longest_s
        return min(self._longest_s, max(SHORTEST_LIMIT_S, FACTOR * size * max(taken_s)))
