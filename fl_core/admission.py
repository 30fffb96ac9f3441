"""Why the coordinator's SuperLink does not let a site in: what one end says and the other understands."""

from enum import StrEnum
from typing import Self


class Cause(StrEnum):
    """Why a connection was refused after TLS was right."""

    NO_KEY = "no key"
    UNKNOWN_KEY = "unknown key"
    KEY_IN_USE = "key in use"
    CUT_OFF = "cut off"
    CLOCK = "clock"
    UNSIGNED = "unsigned"

    @classmethod
    def of_details(cls, details: str | bytes | None) -> Self:
        """Return what Flower's words for a call without right mean."""
        words = details.decode(errors="replace") if isinstance(details, bytes) else details or ""
        return cls(_FLOWERS_WORDS.get(words, cls.UNSIGNED))

    @property
    def exit_code(self) -> int:
        """How a process ends that was refused so; no other cause has the number."""
        return _FIRST_EXIT_CODE + list(type(self)).index(self)

    @classmethod
    def of_exit_code(cls, code: int | None) -> Self | None:
        """Return what a process was refused for that ended with this number; None if it was not."""
        return next((cause for cause in cls if cause.exit_code == code), None)


_FIRST_EXIT_CODE = 100
_FLOWERS_WORDS = {"Invalid node ID": "cut off", "Invalid timestamp": "clock"}
