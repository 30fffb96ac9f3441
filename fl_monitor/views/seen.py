"""What a view is made of: the rows that its viewer may see."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import RunRows, Snapshot
from fl_monitor.viewer import Viewer


@dataclass(frozen=True)
class Seen:
    """Everything that one viewer may see, and the parameters of the page's address."""

    viewer: Viewer
    snapshot: Snapshot
    runs: ChosenRuns = field(default_factory=ChosenRuns)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> RunRows | None:
        """The run that the page is about: the one in its address, or else the newest."""
        return self.runs.whole if "run" in self.params else self.snapshot.run

    @property
    def ranks(self) -> Mapping[str, int]:
        """The sites that may be named, with the numbers that give them their colours."""
        return self.snapshot.site_ranks
