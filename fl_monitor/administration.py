"""What a coordinator does on the Admin page: users, sessions, sites. Each deed leaves an event.

Every function returns one sentence on what was done, which is also the event's; it never holds a secret.
"""

from collections.abc import Sequence
from datetime import datetime

from fl_core.config import check_site_name
from fl_monitor.auth import Sessions
from fl_monitor.event_words import ADMIN
from fl_store import accounts
from fl_store.base import Store
from fl_store.rows import EventRow, SessionRow, UserRow
from fl_store.site_access import keep_site_access
from fl_store.words import Role

LONGEST_REASON = 200


def is_last_server(users: Sequence[UserRow], name: str) -> bool:
    """Say whether this user is the only one with the role server who may log in."""
    may_administer = [user.name for user in users if user.role is Role.SERVER and not user.is_disabled]
    return may_administer == [name]


class Administration:
    """The deeds of one coordinator; AccountError, ConfigError or StoreError if one cannot be done."""

    def __init__(self, store: Store, sessions: Sessions, actor: str) -> None:
        self._store = store
        self._sessions = sessions
        self._actor = actor

    def add_user(self, name: str, password: str, role: Role, site: str | None) -> str:
        """Add a user."""
        user = accounts.add_user(self._store, name, password, role=role, site=site)
        return self._note(f"User '{user.name}' was added as {_role_of(user)}.")

    def set_role(self, name: str, role: Role, site: str | None) -> str:
        """Give a user another role or site, which ends the user's sessions."""
        user = accounts.set_role(self._store, name, role, site)
        return self._note(f"User '{user.name}' is {_role_of(user)} now.")

    def set_password(self, name: str, password: str) -> str:
        """Give a user another password, which ends the user's sessions."""
        user = accounts.set_password(self._store, name, password)
        return self._note(f"User '{user.name}' was given another password.")

    def set_disabled(self, name: str, *, is_disabled: bool) -> str:
        """Shut a user out at once, or let the user in again."""
        user = accounts.set_disabled(self._store, name, is_disabled=is_disabled)
        return self._note(f"User '{user.name}' was {'disabled' if is_disabled else 'enabled'}.")

    def end_session(self, session: SessionRow, now: datetime) -> str:
        """End one session."""
        self._sessions.end_rows([session], now)
        return self._note(f"A session of user '{session.user}' was ended.")

    def end_sessions_of(self, name: str, now: datetime) -> str:
        """End all sessions of a user."""
        live = [row for row in self._sessions.list_live(now) if row.user == name]
        self._sessions.end_rows(live, now)
        return self._note(f"All sessions of user '{name}' were ended: {len(live)}.")

    def set_access(self, site: str, reason: str, *, is_allowed: bool) -> str:
        """Shut a site out of the federation, or let it in again."""
        check_site_name(site)
        reason = "".join(filter(str.isprintable, " ".join(reason.split())))[:LONGEST_REASON]
        keep_site_access(
            self._store, site, is_allowed=is_allowed, changed_by=self._actor, reason=reason or None
        )
        done = "was let in again" if is_allowed else "was shut out"
        return self._note(f"Site '{site}' {done}{f': {reason}' if reason else ''}.", site)

    def _note(self, text: str, site: str | None = None) -> str:
        self._store.put([EventRow(ADMIN, text, site=site, user=self._actor)])
        return text


def _role_of(user: UserRow) -> str:
    return f"{user.role} of {user.site}" if user.site else str(user.role)
