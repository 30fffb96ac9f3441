"""From a name and a password to a session: delays after failures, and the ticket for the cookie.

A page of Streamlit cannot set a cookie. It draws a ticket instead, good once and for seconds, which the
browser trades for the cookie at a route of ours: the token is never in a page or a script.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from fl_core.errors import StoreError
from fl_monitor.auth import Sessions
from fl_monitor.throttle import Throttle, throttle_keys
from fl_store.accounts import check_password, find_user
from fl_store.base import Store
from fl_store.rows import LoginAttemptRow, UserRow, utc_now

TICKET_LIFE = timedelta(seconds=15)
ATTEMPTS_REMEMBERED = 1000
"""So many of the newest attempts in the store count after a restart."""


class Login:
    """Checks names and passwords against the store, and writes down how it went."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._throttle = Throttle()
        with contextlib.suppress(StoreError):  # who reads the store next tells it
            self._throttle.remember(store.get(LoginAttemptRow, newest=ATTEMPTS_REMEMBERED), utc_now())

    @contextlib.contextmanager
    def in_line(self, name: str, address: str | None) -> Iterator[bool]:
        """Take a place among the attempts that wait; False within the block if there is none left."""
        with self._throttle.in_line(throttle_keys(name, address)) as has_place:
            yield has_place

    def delay_s(self, name: str, address: str | None, now: datetime) -> int:
        """Return the seconds that this attempt has to wait before it is checked."""
        return self._throttle.delay_s(throttle_keys(name, address), now)

    def check(self, name: str, password: str, address: str | None, now: datetime) -> str | None:
        """Return the token of a new session, or None if name or password are wrong."""
        user = self.recognize(name, password, address, now)
        if user is None:
            return None
        self._store.put([self._attempt(name, address, now, is_accepted=True)])
        return self._sessions.start(user, now)

    def recognize(self, name: str, password: str, address: str | None, now: datetime) -> UserRow | None:
        """Return the user whose password this is; a wrong one is written down."""
        user = check_password(self._store, name, password)
        if user is None:
            self._store.put([self._attempt(name, address, now, is_accepted=False)])
        else:
            self._throttle.forgive(throttle_keys(name, address))
        return user

    def _attempt(
        self, name: str, address: str | None, now: datetime, *, is_accepted: bool
    ) -> LoginAttemptRow:
        """Describe an attempt; a name that no user has may be a mistyped password, so it is not kept."""
        known = find_user(self._store, name.strip().lower())
        return LoginAttemptRow(known.name if known else None, address, is_accepted, attempted_at=now)


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
