"""What a scan may take on the monitor's machine: bytes, time, memory; and how long it is kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from fl_core.errors import ConfigError

GB = 10**9
KEEP_HOURS = "FEDLUNA_SCAN_KEEP_HOURS"
SPACE_GB = "FEDLUNA_SCAN_SPACE_GB"
SEARCH_MINUTES = "FEDLUNA_SCAN_MINUTES"
MEMORY_GB = "FEDLUNA_SCAN_MEMORY_GB"


@dataclass(frozen=True)
class ScanLimits:
    """The bounds of one monitor: ``num_kept`` scans of each user, and ``free_bytes`` left on the disk."""

    upload_bytes: int = 2 * GB
    num_files: int = 5000
    num_kept: int = 10
    space_bytes: int = 20 * GB
    free_bytes: int = 2 * GB
    keep: timedelta = timedelta(hours=24)
    search_s: float = 20 * 60.0
    memory_bytes: int = 8 * GB

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "ScanLimits":
        """Take what the environment sets, and the defaults for the rest; ConfigError if one is no amount."""
        return cls(
            keep=timedelta(hours=_read_amount(environment, KEEP_HOURS, 24)),
            space_bytes=int(GB * _read_amount(environment, SPACE_GB, 20)),
            search_s=60 * _read_amount(environment, SEARCH_MINUTES, 20),
            memory_bytes=int(GB * _read_amount(environment, MEMORY_GB, 8)),
        )


def _read_amount(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "").strip()
    try:
        amount = float(text) if text else default
    except ValueError:
        amount = -1.0
    if not 0 < amount <= 1_000_000:
        raise ConfigError(f"{name} is {text[:40]!r}, expected a number above 0, such as {default:g}.")
    return amount
