"""Says what is waited for: a line after a quarter of a minute, and then less and less often."""

import time

from fl_server.recorder import Recorder

FIRST_AFTER_S = 15.0
LAST_EVERY_S = 600.0


class WaitLines:
    """The lines of one wait, each an event of the run."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._pause_s = FIRST_AFTER_S
        self._due_at_s = time.monotonic() + FIRST_AFTER_S

    def tell_when_due(self, text: str) -> None:
        """Write the line if it is time for one."""
        if time.monotonic() < self._due_at_s:
            return
        self._recorder.keep_event("waiting", text)
        self._pause_s = min(2 * self._pause_s, LAST_EVERY_S)
        self._due_at_s = time.monotonic() + self._pause_s
