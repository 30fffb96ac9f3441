"""Which round had the best model so far, and whether the run still gets better."""

import math
from collections.abc import Mapping
from typing import Any

from fl_core.config import FederationConfig
from luna16.counts import Score


class NoLongerBetterError(Exception):
    """The run ends before its last round, as its model gets no better; that is no fault."""


class BestModel:
    """Compares the rounds of a run by the score ``best_by``, among equals by the AUC.

    A score that is not defined is worse than any. Rounds are counted since the last one that was better than
    all before by ``min_delta``; after ``patience`` of them the run has ended its way.
    """

    def __init__(self, config: FederationConfig) -> None:
        self._config = config
        self._best: tuple[float, float] | None = None
        self._best_round_no = 0
        self._reached = -math.inf
        self._num_waited = 0

    @property
    def memory(self) -> dict[str, Any]:
        """All that was learnt of the rounds so far, as JSON can hold it."""
        return {
            "best": self._best,
            "best_round_no": self._best_round_no,
            "reached": self._reached,
            "num_waited": self._num_waited,
        }

    @memory.setter
    def memory(self, kept: Mapping[str, Any]) -> None:
        best = kept["best"]
        self._best = (float(best[0]), float(best[1])) if best else None
        self._best_round_no = int(kept["best_round_no"])
        self._reached = float(kept["reached"])
        self._num_waited = int(kept["num_waited"])

    def take(self, round_no: int, score: Score) -> bool:
        """Compare one more round, and say whether its model is the best so far."""
        rank = self._value_of(score), -math.inf if score.auc is None else score.auc
        is_better = rank[0] > self._reached and rank[0] - self._reached >= self._config.min_delta
        self._num_waited = 0 if is_better else self._num_waited + 1
        if is_better:
            self._reached = rank[0]
        is_best = self._best is None or rank > self._best
        if is_best:
            self._best, self._best_round_no = rank, round_no
        return is_best

    def is_last(self, round_no: int) -> bool:
        """Say whether a round that begins is the last of the run, unless it is better than all before."""
        patience = self._config.patience
        return round_no == self._config.rounds or 0 < patience <= self._num_waited + 1

    def check(self, round_no: int) -> None:
        """Raise NoLongerBetterError, with the reason, if the run is to end with this round, ahead of time."""
        patience = self._config.patience
        if round_no == self._config.rounds or patience == 0 or self._num_waited < patience:
            return
        by = f" by {self._config.min_delta:g} or more" if self._config.min_delta else ""
        rounds = "1 round" if patience == 1 else f"{patience} rounds"
        raise NoLongerBetterError(
            f"Its {self._config.best_by} has not got better{by} for {rounds} (patience in "
            f"[federation]). The best is {self._describe_best()}."
        )

    def _value_of(self, score: Score) -> float:
        value = getattr(score, self._config.best_by)
        if value is None:
            return -math.inf
        return -value if self._config.best_by == "loss" else float(value)

    def _describe_best(self) -> str:
        value = self._best[0] if self._best else -math.inf
        if math.isinf(value):
            return f"that of round {self._best_round_no}, as the score is not defined"
        return f"{abs(value):.3f}, of round {self._best_round_no}"
