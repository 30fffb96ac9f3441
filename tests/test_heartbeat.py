from datetime import UTC, datetime, timedelta

import pytest

from fl_server.heartbeat import HeartbeatClock

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime, passed_s: float) -> None:
    monkeypatch.setattr("fl_server.heartbeat.utc_now", lambda: now)
    monkeypatch.setattr("fl_server.heartbeat.time.monotonic", lambda: 1000 + passed_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HeartbeatClock:
    set_clock(monkeypatch, NOON, 0)
    clock = HeartbeatClock()
    assert clock.now() == NOON
    return clock


def test_clock_that_is_set_back_goes_on(clock: HeartbeatClock, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOON - HOUR, 5)
    assert clock.now() == NOON + timedelta(seconds=5)
    set_clock(monkeypatch, NOON - HOUR, 9)
    assert clock.now() == NOON + timedelta(seconds=9)


def test_clock_that_is_set_forward_is_followed(
    clock: HeartbeatClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON + HOUR, 5)
    assert clock.now() == NOON + HOUR
