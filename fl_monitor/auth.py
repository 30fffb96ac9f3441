"""Logins as rows in the store: who a cookie belongs to, and when that ends.

The store holds the sha256 of a session's token and nothing that could stand for it; the token is only
in the user's cookie. Times are passed in, so that a test can let twelve hours go by.
"""

import hashlib
import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fl_core.errors import StoreUnavailableError
from fl_store.accounts import find_user
from fl_store.base import Store
from fl_store.rows import SessionRow, UserRow

logger = logging.getLogger(__name__)

IDLE_LIMIT = timedelta(minutes=30)
SESSION_LIMIT = timedelta(hours=12)
TOUCH_EVERY = timedelta(seconds=30)
NEWEST_SESSIONS = 1000


def is_live(session: SessionRow, user: UserRow | None, now: datetime) -> bool:
    """Say whether a session still lets its user in.

    Whatever changes the account (a new password, another role, disabling it) ends its sessions.
    """
    if user is None or user.is_disabled or user.changed_at > session.created_at:
        return False
    return _is_open(session, now)


def _is_open(session: SessionRow, now: datetime) -> bool:
    is_ended = session.ended_at is not None or now >= session.expires_at
    return not is_ended and now - session.seen_at < IDLE_LIMIT


class Sessions:
    """The sessions of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing = threading.Lock()

    def start(self, user: UserRow, now: datetime) -> str:
        """Start a session and return its token, which is kept nowhere else.

        It begins no earlier than the account, which may come from a machine whose clock is ahead of ours.
        """
        token = secrets.token_urlsafe(32)
        session = SessionRow(
            token_hash=_hash_of(token),
            user=user.name,
            created_at=max(now, user.changed_at),
            seen_at=now,
            expires_at=now + SESSION_LIMIT,
        )
        self._store.put([session])
        return token

    def find_user(self, token: str | None, now: datetime) -> UserRow | None:
        """Return the user whose live session this is; looking does not prolong it."""
        session = self._find(token)
        if session is None:
            return None
        user = find_user(self._store, session.user)
        return user if is_live(session, user, now) else None

    def touch(self, token: str, now: datetime) -> None:
        """Note that the user of a live session has just done something; every half minute at most.

        Who only looks must neither wait for others nor suffer from a locked store: the next poll tries again.
        """
        if not self._writing.acquire(blocking=False):
            return
        try:
            session = self._find(token)
            if session and _is_open(session, now) and now - session.seen_at >= TOUCH_EVERY:
                self._store.put([replace(session, seen_at=now)])
        except StoreUnavailableError as error:
            logger.warning("%s A session is not prolonged.", error)
        finally:
            self._writing.release()

    def end(self, token: str | None, now: datetime) -> None:
        """End a session in every tab; the row stays."""
        with self._writing:
            session = self._find(token)
            if session and session.ended_at is None:
                self._store.put([replace(session, ended_at=now)])

    def list_live(self, now: datetime) -> list[SessionRow]:
        """Return the sessions that let their users in, oldest first."""
        users = {user.name: user for user in self._store.get(UserRow)}
        found = self._store.get(SessionRow, ended_at=None, newest=NEWEST_SESSIONS)
        return [row for row in found if is_live(row, users.get(row.user), now)]

    def end_rows(self, rows: Sequence[SessionRow], now: datetime) -> None:
        """End these sessions, whosever they are."""
        with self._writing:
            self._store.put([replace(row, ended_at=row.ended_at or now) for row in rows])

    def _find(self, token: str | None) -> SessionRow | None:
        if not token:
            return None
        found = self._store.get(SessionRow, token_hash=_hash_of(token))
        return found[0] if found else None


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
