"""How far the coordinator's clock is ahead of this machine's, told from its heartbeats.

All rows of a run carry the coordinator's times. A monitor on another machine may have another clock, and must
not for that reason show everybody as offline, or somebody long gone as online.
"""

from datetime import datetime, timedelta

TOLERANCE = timedelta(seconds=5)
"""Clocks that differ by less are taken as one; a heartbeat is on its way for a few seconds too."""


class CoordinatorClock:
    """The coordinator's clock beside ours; until it is known better they are taken as one."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._last_beat: datetime | None = None
        self._last_distance = timedelta()

    def hear(self, beat: datetime, now: datetime) -> None:
        """Learn from the newest heartbeat in the store.

        It tells the clock if it lies in the future, or if it is a new one at the same distance from our time
        as the one before. A single new one does not: it may have waited in an outbox for hours.
        """
        distance = beat - now
        is_new = beat != self._last_beat
        is_steady = self._last_beat is not None and abs(distance - self._last_distance) <= TOLERANCE
        if (distance > self.ahead or (is_new and is_steady)) and abs(distance - self.ahead) > TOLERANCE:
            self.ahead = distance
        if is_new:
            self._last_beat, self._last_distance = beat, distance
