"""The cells of the fault matrix: what is struck, how, and what the run is at."""

from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """What is struck; the site is its ``fl-client`` and its SuperNode at once."""

    SERVER_APP = "serverapp"
    SUPERLINK = "superlink"
    LAUNCHER = "launcher"
    SUPERNODE = "supernode"
    WORKER = "worker"
    SITE = "site"


class Fault(StrEnum):
    """How it is struck."""

    KILL = "kill"
    FREEZE = "freeze"
    TERMINATE = "terminate"


class Phase(StrEnum):
    """What the run is at; the names are those of the stages in ``tests/stages``."""

    WAITING = "waiting"
    SENDING = "sending"
    TRAINING = "training"
    REPLYING = "replying"
    AGGREGATING = "aggregating"
    WRITING = "writing"


@dataclass(frozen=True)
class Cell:
    """One fault at one target in one phase."""

    target: Target
    fault: Fault
    phase: Phase

    def __str__(self) -> str:
        return f"{self.target}-{self.fault}-{self.phase}"

    @property
    def is_restarted_by_launcher(self) -> bool:
        """Say whether the launcher has to start something again."""
        return self.target in {Target.SERVER_APP, Target.SUPERLINK} and self.fault is not Fault.FREEZE
