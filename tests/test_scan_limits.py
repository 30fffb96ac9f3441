from datetime import timedelta

import pytest

from fl_core.errors import ConfigError
from fl_monitor.scan_limits import GB, KEEP_HOURS, MEMORY_GB, SEARCH_MINUTES, SPACE_GB, ScanLimits


def test_limits_are_the_defaults_where_the_environment_says_nothing() -> None:
    assert ScanLimits.read({}) == ScanLimits()


def test_limits_come_from_the_environment() -> None:
    limits = ScanLimits.read({KEEP_HOURS: "1.5", SPACE_GB: "4", SEARCH_MINUTES: "2", MEMORY_GB: "3"})
    assert limits.keep == timedelta(minutes=90)
    assert (limits.space_bytes, limits.search_s, limits.memory_bytes) == (4 * GB, 120.0, 3 * GB)


@pytest.mark.parametrize("text", ["a day", "0", "-1", "nan", "inf", "1e9"])
def test_limit_that_is_no_amount_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=f"FEDLUNA_SCAN_KEEP_HOURS is '{text}', expected a number above 0"):
        ScanLimits.read({KEEP_HOURS: text})
