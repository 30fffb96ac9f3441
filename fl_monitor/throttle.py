"""A growing delay after failed logins, by account and by address, that a restart does not undo.

An account is delayed whether there is one of that name or not, so that the delay tells nobody which names
exist. Addresses of IPv6 count by their network of 64 bits, which one household or server has to itself.
"""

import contextlib
import ipaddress
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from fl_store.rows import LoginAttemptRow

FREE_FAILURES = 3
LONGEST_DELAY_S = 30
FAILURES_OF_ALL = FREE_FAILURES + 2
"""So many at most of those before a restart count for every account."""
FORGOTTEN_AFTER = timedelta(minutes=15)
MOST_KEYS = 10_000
MOST_WAITING = 10
LONGEST_KEY = 64

Failures = tuple[int, datetime]
"""How many there were, and when the last one was."""


class Throttle:
    """The failures of the last quarter of an hour, in memory.

    They are not counted from the rows of attempts each time: those lack the names that no user has, and a
    monitor apart from the coordinator would have to ask Supabase.
    """

    def __init__(self) -> None:
        self._failures: dict[str, Failures] = {}
        self._before_start: Failures | None = None
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def remember(self, attempts: Iterable[LoginAttemptRow], now: datetime) -> None:
        """Take up the failures from before a restart.

        They count for each address, and together, up to a few, for every account: each for its own would tell
        which names exist, as a name that no user has is in no row.
        """
        failed = [row for row in attempts if not row.is_accepted and now - row.attempted_at < FORGOTTEN_AFTER]
        if not failed:
            return
        newest = min(now, max(row.attempted_at for row in failed))
        by_address = Counter(key for row in failed for key in _address_keys(row.address))
        with self._lock:
            self._before_start = (min(len(failed), FAILURES_OF_ALL), newest)
            self._failures |= {key: (count, newest) for key, count in by_address.items()}
            self._limit_keys(now)

    @contextlib.contextmanager
    def in_line(self, keys: Sequence[str]) -> Iterator[bool]:
        """Take a place among the attempts that wait; False within the block if there is none left.

        Attempts at once wait side by side, so their number bounds how many there are in a minute. They are
        counted by address where it is known: nobody far away can take an account's places.
        """
        lane = keys[-1]
        with self._lock:
            has_place = self._waiting[lane] < MOST_WAITING
            self._waiting[lane] += has_place
        try:
            yield has_place
        finally:
            with self._lock:
                self._waiting[lane] -= has_place
                self._waiting = +self._waiting

    def delay_s(self, keys: Sequence[str], now: datetime) -> int:
        """Count an attempt under each key and return the seconds it has to wait first.

        It counts before its outcome is known, so that attempts made at once do not slip through.
        """
        with self._lock:
            counts = [self._count(key, now) for key in keys]
            self._failures |= {key: (count + 1, now) for key, count in zip(keys, counts, strict=True)}
            self._limit_keys(now)
        return max((_delay_after(count) for count in counts), default=0)

    def forgive(self, keys: Sequence[str]) -> None:
        """Forget the failures of the account, which comes first, and as many of the address, after a login.

        The address keeps the others: who has an account could try every other one beside it.
        """
        with self._lock:
            own, at = self._failures.get(keys[0], (0, None))
            for key in keys:
                count, last_at = self._failures.get(key, (0, at))
                if last_at:
                    self._failures[key] = (max(count - own, 0), last_at)

    def _count(self, key: str, now: datetime) -> int:
        at_start = self._before_start if key.startswith(_ACCOUNT) else None
        count, at = self._failures.get(key) or at_start or (0, now)
        return count if now - at < FORGOTTEN_AFTER else 0

    def _limit_keys(self, now: datetime) -> None:
        """Forget what is old, and of too many the fewest failures: names are anybody's to invent."""
        if len(self._failures) <= MOST_KEYS:
            return
        fresh = {key: kept for key, kept in self._failures.items() if now - kept[1] < FORGOTTEN_AFTER}
        by_weight = sorted(fresh, key=lambda key: fresh[key], reverse=True)
        self._failures = {key: fresh[key] for key in by_weight[: MOST_KEYS // 2]}


_ACCOUNT = "account "


def throttle_keys(name: str, address: str | None) -> list[str]:
    """Return what an attempt counts for: the account, then the address if it is known."""
    return [_ACCOUNT + name.strip().lower()[:LONGEST_KEY], *_address_keys(address)]


def _address_keys(address: str | None) -> list[str]:
    return [f"address {_network_of(address)}"] if address else []


def _network_of(address: str) -> str:
    """Return an address of IPv4, or the network of one of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:LONGEST_KEY]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed.packed[:8] + bytes(8), 64)))
    return str(parsed)


def _delay_after(num_failures: int) -> int:
    if num_failures < FREE_FAILURES:
        return 0
    return min(1 << min(num_failures - FREE_FAILURES, 10), LONGEST_DELAY_S)
