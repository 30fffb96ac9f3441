"""The time that heartbeats carry."""

import time
from datetime import UTC, datetime, timedelta

from fl_store.rows import utc_now


class HeartbeatClock:
    """A clock that goes on where the machine's is set back: the store refuses an older heartbeat.

    Without it a coordinator whose clock was set back by an hour would be shown as offline for that hour.
    """

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)
        self._told_at_s = time.monotonic()

    def now(self) -> datetime:
        """Return the time, later than the last by at least what has passed since."""
        told_at_s = time.monotonic()
        at_least = self._last + timedelta(seconds=told_at_s - self._told_at_s)
        self._last, self._told_at_s = max(utc_now(), at_least), told_at_s
        return self._last
