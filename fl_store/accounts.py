"""Users and their passwords: only a bcrypt hash is ever kept."""

import re
from dataclasses import replace

import bcrypt

from fl_core.config import check_site_name
from fl_core.errors import AccountError
from fl_store.base import Store
from fl_store.rows import Role, UserRow, utc_now

USER_NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,31}"
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_BYTES = 72  # bcrypt reads no further
BCRYPT_COST = 12


def add_user(store: Store, name: str, password: str, *, role: Role, site: str | None = None) -> UserRow:
    """Add a user; ``site`` is needed by the role ``client`` and allowed for no other.

    Raises AccountError if the name is taken or not a user name, or the password or role is refused.
    """
    _check_name(name)
    _check_site(role, site)
    if find_user(store, name):
        raise AccountError(f"User '{name}' exists already.")
    now = utc_now()
    user = UserRow(
        name=name,
        password_hash=hash_password(password),
        role=role,
        site=site,
        is_disabled=False,
        created_at=now,
        changed_at=now,
    )
    store.put([user])
    return user


def set_password(store: Store, name: str, password: str) -> None:
    """Give a known user another password."""
    user = find_user(store, name)
    if user is None:
        raise AccountError(f"There is no user '{name}'. `fl-server users list` shows all.")
    store.put([replace(user, password_hash=hash_password(password), changed_at=utc_now())])


def find_user(store: Store, name: str) -> UserRow | None:
    """Return the user of that name, disabled or not."""
    found = store.get(UserRow, name=name)
    return found[0] if found else None


def check_password(store: Store, name: str, password: str) -> UserRow | None:
    """Return the user if name and password are right and the account is not disabled.

    An unknown name takes one bcrypt check too, so that time does not tell which names exist.
    """
    name = name.strip().lower()
    user = find_user(store, name) if _is_name(name) else None
    password_hash = user.password_hash if user else _hash_of_nobody()
    secret = password.encode(errors="surrogatepass")
    is_right = len(secret) <= MAX_PASSWORD_BYTES and bcrypt.checkpw(secret, password_hash.encode())
    return user if user and is_right and not user.is_disabled else None


def hash_password(password: str) -> str:
    """Return the bcrypt hash; AccountError if the password is too short, too long or no text."""
    try:
        secret = password.encode()
    except UnicodeEncodeError as error:
        raise AccountError("The password holds characters that are no text; choose another.") from error
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError(
            f"The password has {len(password)} characters, expected at least {MIN_PASSWORD_LENGTH}."
        )
    if len(secret) > MAX_PASSWORD_BYTES:
        raise AccountError(f"The password has {len(secret)} bytes, expected at most {MAX_PASSWORD_BYTES}.")
    return bcrypt.hashpw(secret, bcrypt.gensalt(BCRYPT_COST)).decode()


def _is_name(name: str) -> bool:
    return re.fullmatch(USER_NAME_PATTERN, name) is not None


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise AccountError(
            f"User name {name[:40]!r} is not accepted: 1 to 32 of a-z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit."
        )


def _check_site(role: Role, site: str | None) -> None:
    if role is not Role.CLIENT and site is not None:
        raise AccountError(f"Role '{role}' is not bound to a site; leave --site out or use --role client.")
    if role is Role.CLIENT and site is None:
        raise AccountError("Role 'client' needs the site it may see: --site NAME.")
    if site is not None:
        check_site_name(site)


def _hash_of_nobody() -> str:
    """Return a well-formed hash that no password has, as dear to check as a real one."""
    return f"$2b${BCRYPT_COST:02d}${'.' * 53}"
