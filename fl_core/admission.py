"""What the coordinator's SuperLink says to who stands at its door: why not, or how things are."""

import json
from dataclasses import asdict, dataclass
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

LOOK_METHOD = "/fedluna.Door/Look"
"""Asked of the SuperLink by a site that only looks: it takes nothing and joins nothing."""


@dataclass(frozen=True)
class Look:
    """What a site sees that looks in; ``time_s`` is the coordinator's clock, in seconds since 1970.

    ``versions`` of its programs are for enrolled sites only: a stranger finds none.
    """

    time_s: float
    is_enrolled: bool
    versions: dict[str, str]

    def to_bytes(self) -> bytes:
        """Return it as it goes over the wire."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what ``to_bytes`` has made; ValueError if it is something else."""
        try:
            told = json.loads(data)
            versions = {str(name): str(version) for name, version in told["versions"].items()}
            return cls(float(told["time_s"]), bool(told["is_enrolled"]), versions)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError("The coordinator's answer cannot be read.") from error
