"""From a name and a password to a session: delays after failures, and the ticket for the cookie.

A page of Streamlit cannot set a cookie. It draws a ticket instead, good once and for seconds, which the
browser trades for the cookie at a route of ours: the token is never in a page or a script.
"""

import secrets
import threading
from datetime import datetime, timedelta

from fl_monitor.auth import Sessions
from fl_store.accounts import check_password, find_user
from fl_store.base import Store
from fl_store.rows import LoginAttemptRow

TICKET_LIFE = timedelta(seconds=15)
FREE_FAILURES = 3
LONGEST_DELAY_S = 30
FAILURES_FORGOTTEN_AFTER = timedelta(minutes=15)


class Throttle:
    """A growing delay after failed logins, by account and by address.

    An attempt is delayed, never refused: nobody can lock another's account. It is kept in memory and not
    counted from the rows of attempts: those lack the names that no user has, so that the delay would tell
    which names exist, and a monitor apart from the coordinator would have to ask Supabase each time.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, datetime]] = {}
        self._lock = threading.Lock()

    def delay_s(self, keys: list[str], now: datetime) -> int:
        """Count an attempt under each key and return the seconds it has to wait first.

        It counts before its outcome is known, so that attempts made at once do not slip through.
        """
        with self._lock:
            self._forget_old(now)
            counts = [self._failures.get(key, (0, now))[0] for key in keys]
            self._failures |= {key: (count + 1, now) for key, count in zip(keys, counts, strict=True)}
        return max((_delay_after(count) for count in counts), default=0)

    def forgive(self, keys: list[str]) -> None:
        """Forget the failures under these keys, after a login."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _forget_old(self, now: datetime) -> None:
        self._failures = {
            key: (count, at)
            for key, (count, at) in self._failures.items()
            if now - at < FAILURES_FORGOTTEN_AFTER
        }


def _delay_after(num_failures: int) -> int:
    if num_failures < FREE_FAILURES:
        return 0
    return min(1 << min(num_failures - FREE_FAILURES, 10), LONGEST_DELAY_S)


class Tickets:
    """Tickets, each to be traded once for the token of a new session."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._lock = threading.Lock()

    def issue(self, token: str, now: datetime) -> str:
        """Return a ticket for this token."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens = {key: held for key, held in self._tokens.items() if held[1] > now}
            self._tokens[ticket] = (token, now + TICKET_LIFE)
        return ticket

    def redeem(self, ticket: str, now: datetime) -> str | None:
        """Return the token; None if the ticket is unknown, used or too old."""
        with self._lock:
            token, expires_at = self._tokens.pop(ticket, ("", now))
        return token if now < expires_at else None


class Login:
    """Checks names and passwords against the store, and writes down how it went."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._throttle = Throttle()

    def delay_s(self, name: str, address: str | None, now: datetime) -> int:
        """Return the seconds that this attempt has to wait before it is checked."""
        return self._throttle.delay_s(_throttle_keys(name, address), now)

    def check(self, name: str, password: str, address: str | None, now: datetime) -> str | None:
        """Return the token of a new session, or None if name or password are wrong."""
        user = check_password(self._store, name, password)
        self._store.put([self._attempt(name, address, now, is_accepted=user is not None)])
        if user is None:
            return None
        self._throttle.forgive(_throttle_keys(name, address))
        return self._sessions.start(user, now)

    def _attempt(
        self, name: str, address: str | None, now: datetime, *, is_accepted: bool
    ) -> LoginAttemptRow:
        """Describe an attempt; a name that no user has may be a mistyped password, so it is not kept."""
        known = find_user(self._store, name.strip().lower())
        return LoginAttemptRow(known.name if known else None, address, is_accepted, attempted_at=now)


def _throttle_keys(name: str, address: str | None) -> list[str]:
    account = f"account {name.strip().lower()}"
    return [account, f"address {address}"] if address else [account]
