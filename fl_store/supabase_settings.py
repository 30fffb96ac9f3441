"""Where the Supabase project is and the key to it, as the environment says."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from fl_core.errors import ConfigError


@dataclass(frozen=True)
class SupabaseSettings:
    """Where the project is, and the secret key with which the coordinator and the monitor come."""

    url: str
    key: str = field(repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self | None:
        """Return what SUPABASE_URL and SUPABASE_KEY say; None without them, ConfigError if they are wrong."""
        url, key = (environment.get(name, "").strip() for name in ("SUPABASE_URL", "SUPABASE_KEY"))
        if not url and not key:
            return None
        if not url or not key:
            missing = "SUPABASE_KEY" if url else "SUPABASE_URL"
            raise ConfigError(f"{missing} is not set, but the other of the two is; set both or neither.")
        _check_url(url)
        _check_key(key)
        return cls(url.rstrip("/"), key)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"https", "http"} and parts.hostname and not parts.path.strip("/")
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigError(
            f"SUPABASE_URL is {url!r}, expected the project's address: https://PROJECT.supabase.co"
        )
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise ConfigError("SUPABASE_URL begins with http://, which sends the key in the clear; use https://")


def _check_key(key: str) -> None:
    kind = key_kind(key)
    if kind != "secret":
        raise ConfigError(
            f"SUPABASE_KEY is {kind}, expected a secret key (sb_secret_...): in the project's settings, "
            "under API keys. Only the coordinator and the monitor may have it."
        )


def key_kind(key: str) -> str:
    """Return 'secret' for a key that may write, or else what kind of key or text it is."""
    if key.startswith("sb_secret_"):
        return "secret"
    if key.startswith("sb_publishable_"):
        return "a publishable key"
    role = _role_in(key)
    if role == "service_role":
        return "secret"
    return f"a key of the role '{role}'" if role else "no key of Supabase"


def _role_in(key: str) -> str | None:
    """Return the role in a key of the older form, a JSON Web Token."""
    parts = key.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except ValueError:
        return None
    role = claims.get("role") if isinstance(claims, dict) else None
    return role if isinstance(role, str) else None
