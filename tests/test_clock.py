from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.clock import CoordinatorClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_clock_an_hour_off_is_known_after_two_heartbeats(ahead: timedelta) -> None:
    clock = CoordinatorClock()
    clock.hear(at(0) + ahead, at(0))
    clock.hear(at(2) + ahead, at(2))
    assert clock.ahead == ahead


def test_heartbeat_from_the_future_tells_at_once() -> None:
    clock = CoordinatorClock()
    clock.hear(at(0) + HOUR, at(0))
    assert clock.ahead == HOUR


def test_time_a_heartbeat_takes_to_arrive_is_no_difference() -> None:
    clock = CoordinatorClock()
    for second in range(0, 60, 2):
        clock.hear(at(second - second % 5), at(second))
    assert clock.ahead == timedelta()


def test_heartbeat_that_does_not_change_tells_nothing() -> None:
    clock = CoordinatorClock()
    for second in range(60):
        clock.hear(at(0) - HOUR, at(second))
    assert clock.ahead == timedelta()


def test_single_heartbeat_out_of_an_outbox_tells_nothing() -> None:
    clock = CoordinatorClock()
    for second in range(0, 10, 2):
        clock.hear(at(second), at(second))
    clock.hear(at(30), at(3600))
    clock.hear(at(30), at(3602))
    assert clock.ahead == timedelta()


def test_clock_that_was_set_right_is_followed() -> None:
    clock = CoordinatorClock()
    for second in range(0, 10, 2):
        clock.hear(at(second) - HOUR, at(second))
    for second in range(10, 16, 2):
        clock.hear(at(second), at(second))
    assert clock.ahead == timedelta()
