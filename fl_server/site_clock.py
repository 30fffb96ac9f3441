"""When a site began its work, in the coordinator's time, although the site's clock may be off.

As in NTP (Mills 1991, https://doi.org/10.1109/26.103043), every exchange bounds how far: the site began after
the task was sent, and had done its work before the answer was received.
"""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Exchange:
    """A task and its answer; ``work_s`` is how long the site worked.

    Times are Unix seconds, ``began_at_s`` by the site's clock and the others by ours.
    """

    sent_at_s: float
    began_at_s: float
    received_at_s: float
    work_s: float = 0.0


@dataclass(frozen=True)
class SiteClock:
    """A site's clock is ahead of ours by ``least_s`` to ``most_s``, less than 0 if it is behind."""

    least_s: float
    most_s: float

    @classmethod
    def read(cls, exchange: Exchange) -> "SiteClock":
        """Return what one exchange tells."""
        return cls(
            least_s=exchange.began_at_s + exchange.work_s - exchange.received_at_s,
            most_s=exchange.began_at_s - exchange.sent_at_s,
        )

    def narrow(self, exchange: Exchange) -> "SiteClock":
        """Return what this and one more exchange tell together.

        If they contradict one another, a clock was set or has drifted: the newer one counts alone.
        """
        new = SiteClock.read(exchange)
        both = SiteClock(max(self.least_s, new.least_s), min(self.most_s, new.most_s))
        return both if both.least_s <= both.most_s else new

    def find_begin(self, exchange: Exchange) -> float:
        """Return when the site began by our clock, at the earliest when the task was sent.

        The clock is taken to be ahead by the middle of the bounds: then the error is half the time on the way
        at most. Whatever a site says, the work lies between sending and receiving if it fits there.
        """
        began_at_s = exchange.began_at_s - (self.least_s + self.most_s) / 2
        latest_s = exchange.received_at_s - exchange.work_s
        return max(exchange.sent_at_s, min(began_at_s, latest_s))


class SiteClocks:
    """The clocks of all sites."""

    def __init__(self) -> None:
        self._clocks: dict[str, SiteClock] = {}

    def start(self, site: str, exchange: Exchange) -> None:
        """Begin anew for a site that has connected: it may be on another machine."""
        self._clocks[site] = SiteClock.read(exchange)

    def find_begin(self, site: str, exchange: Exchange) -> datetime:
        """Learn from one more exchange, and return when the site began, by our clock."""
        known = self._clocks.get(site)
        clock = known.narrow(exchange) if known else SiteClock.read(exchange)
        self._clocks[site] = clock
        return datetime.fromtimestamp(clock.find_begin(exchange), UTC)
