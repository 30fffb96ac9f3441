"""Users and their passwords: only a bcrypt hash is ever kept."""

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Any

import bcrypt

from fl_core.config import check_site_name
from fl_core.errors import AccountError
from fl_store.base import Store
from fl_store.rows import UserRow, utc_now
from fl_store.words import Role

USER_NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,31}"
SERVICE_NAME = "fedluna"
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
MIN_LENGTH_OF_A_NAME = 3
"""Shorter names are found in good passwords by chance."""
MIN_STRENGTH = 3
"""Of zxcvbn's 0 to 4: it takes more than 10^8 guesses."""
BCRYPT_COST = 12


def add_user(store: Store, name: str, password: str, *, role: Role, site: str | None = None) -> UserRow:
    """Add a user; ``site`` is needed by the role ``client`` and allowed for no other.

    Raises AccountError if the name is taken or not a user name, or the password or role is refused.
    """
    check_new_user(store, name, role=role, site=site)
    now = utc_now()
    user = UserRow(
        name=name,
        password_hash=hash_password(password, name=name, site=site),
        role=role,
        site=site,
        is_disabled=False,
        created_at=now,
        changed_at=now,
    )
    store.put([user])
    return user


def check_new_user(store: Store, name: str, *, role: Role, site: str | None) -> None:
    """Raise AccountError if no such user can be added, so that nobody types a password for nothing."""
    if not _is_name(name):
        raise AccountError(
            f"User name {name[:40]!r} is not accepted: 1 to 32 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    _check_site(role, site)
    if find_user(store, name):
        raise AccountError(f"User '{name}' exists already.")


def set_password(store: Store, name: str, password: str) -> UserRow:
    """Give a known user another password."""
    user = get_user(store, name)
    password_hash = hash_password(password, name=name, site=user.site)
    return _change(store, name, password_hash=password_hash)


def set_role(store: Store, name: str, role: Role, site: str | None = None) -> UserRow:
    """Give a known user another role; the rule for ``site`` is that of ``add_user``."""
    _check_site(role, site)
    return _change(store, name, role=role, site=site)


def set_disabled(store: Store, name: str, *, is_disabled: bool) -> UserRow:
    """Shut a known user out, or let the user in again."""
    return _change(store, name, is_disabled=is_disabled)


def get_user(store: Store, name: str) -> UserRow:
    """Return the user of that name; AccountError if there is none."""
    user = find_user(store, name)
    if user is None:
        raise AccountError(f"There is no user {name[:40]!r}. `fl-server users list` shows all.")
    return user


def find_user(store: Store, name: str) -> UserRow | None:
    """Return the user of that name, disabled or not; None for a text that cannot be a name."""
    found = store.get(UserRow, name=name) if _is_name(name) else []
    return found[0] if found else None


def check_password(store: Store, name: str, password: str) -> UserRow | None:
    """Return the user if name and password are right and the account is not disabled.

    An unknown name takes one bcrypt check too, so that time does not tell which names exist.
    """
    user = find_user(store, name.strip().lower())
    is_right = _is_right(password, user.password_hash if user else _hash_of_nobody())
    return user if user and is_right and not user.is_disabled else None


def hash_password(password: str, *, name: str, site: str | None = None) -> str:
    """Return the bcrypt hash of a new password of the user ``name``; AccountError if it is refused.

    The rules are those of NIST SP 800-63B, 5.1.1.2: long enough, not easy to guess, without the names
    that go with it; which kinds of characters it holds is free.
    """
    password = _normalize(password)
    if not password.isprintable():
        raise AccountError(
            "The password holds a character that cannot be shown, such as a tab; leave it out."
        )
    _check_length(password)
    _check_names(password, name, site)
    _check_strength(password, name, site)
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_COST)).decode()


def _change(store: Store, name: str, **changes: Any) -> UserRow:
    """Change a known user; the new ``changed_at`` ends all sessions.

    It is later than the one before, even where the clock was set back: a store keeps the latest.
    """
    known = get_user(store, name)
    changed_at = max(utc_now(), known.changed_at + timedelta.resolution)
    user = replace(known, **changes, changed_at=changed_at)
    store.put([user])
    return user


def _is_name(name: str) -> bool:
    return re.fullmatch(USER_NAME_PATTERN, name) is not None


def _check_site(role: Role, site: str | None) -> None:
    if role is not Role.CLIENT and site is not None:
        raise AccountError(f"Role '{role}' is not bound to a site; leave the site out or use role client.")
    if role is Role.CLIENT and site is None:
        raise AccountError("Role 'client' needs the name of its site (--site NAME at a terminal).")
    if site is not None:
        check_site_name(site)


def _check_length(password: str) -> None:
    num_bytes = len(password.encode())
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError(
            f"The password has {len(password)} characters, expected at least {MIN_PASSWORD_LENGTH}."
        )
    if num_bytes > MAX_PASSWORD_BYTES:
        raise AccountError(f"The password has {num_bytes} bytes, expected at most {MAX_PASSWORD_BYTES}.")


def _check_names(password: str, name: str, site: str | None) -> None:
    names = {"the user name": name, "the name of the site": site or "", f"'{SERVICE_NAME}'": SERVICE_NAME}
    for title, text in names.items():
        if len(text) >= MIN_LENGTH_OF_A_NAME and text in password.casefold():
            raise AccountError(f"The password contains {title}; choose one without it.")


def _check_strength(password: str, name: str, site: str | None) -> None:
    from zxcvbn import zxcvbn  # noqa: PLC0415 - 14 MB of word lists, which a login never needs

    result = zxcvbn(password, user_inputs=[name, site or "", SERVICE_NAME])
    if result["score"] < MIN_STRENGTH:
        reason = result["feedback"]["warning"]
        raise AccountError(f"The password is too easy to guess; add a word or two. {reason}".rstrip())


def _normalize(password: str) -> str:
    """Return the one spelling of a text that has several: 'ä' may also be an 'a' and two dots."""
    return unicodedata.normalize("NFKC", password)


def _is_right(password: str, password_hash: str) -> bool:
    if len(password) > MAX_PASSWORD_BYTES:  # nobody's, and a megabyte takes minutes to normalize
        return False
    secret = _normalize(password).encode(errors="surrogatepass")
    return len(secret) <= MAX_PASSWORD_BYTES and bcrypt.checkpw(secret, password_hash.encode())


def _hash_of_nobody() -> str:
    """Return a well-formed hash that no password has, as dear to check as a real one."""
    return f"$2b${BCRYPT_COST:02d}${'.' * 53}"
