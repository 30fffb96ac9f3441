"""Updates that come after their round was closed: written down, and dropped."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.site_watch import Work
from fl_store.run_rows import SiteRoundRow


@dataclass(frozen=True)
class Missed:
    """A site's part of a round that was closed without it."""

    part: SiteRoundRow
    closed_at_s: float


class LateUpdates:
    """Looks for the updates that were left behind, the newest of each site."""

    def __init__(self, grid: PromptGrid, recorder: Recorder) -> None:
        self._grid = grid
        self._recorder = recorder
        self._missed: dict[str, Missed] = {}

    def expect(self, works: Collection[Work]) -> None:
        """Look from now on for what was left without an answer in the round that is closed now."""
        sites = {work.site for work in works}
        self._missed = {key: missed for key, missed in self._missed.items() if missed.part.site not in sites}
        now_s = time.monotonic()
        for work in works:
            if work.message_id:
                self._missed[work.message_id] = Missed(self._recorder.part_of(work.site), now_s)

    def look(self) -> None:
        """Write down what has come; an error, or a task that the site gave up for a newer one, is nothing."""
        for reply in self._grid.pull_messages(list(self._missed)) if self._missed else ():
            missed = self._missed.pop(reply.metadata.reply_to_message_id)
            if not reply.has_error():
                self._recorder.keep_late_update(missed.part, time.monotonic() - missed.closed_at_s)
