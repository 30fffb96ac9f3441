from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_server.site_clock import Exchange, SiteClock, SiteClocks

SKEWED = Exchange(sent_at_s=100, began_at_s=162, received_at_s=110, work_s=5)
"""The site is a minute ahead; 2 s on the way there, 5 s of work, 3 s on the way back."""


def test_bounds_of_one_exchange_by_hand() -> None:
    """It began after 100, so it is ahead by 62 at most; it had done by 110, when its clock was at 167."""
    assert SiteClock.read(SKEWED) == SiteClock(least_s=57, most_s=62)


def test_begin_is_off_by_half_the_difference_of_the_ways() -> None:
    assert SiteClock.read(SKEWED).find_begin(SKEWED) == 102.5


def test_clock_that_is_behind_has_bounds_below_zero() -> None:
    behind = Exchange(sent_at_s=100, began_at_s=42, received_at_s=110, work_s=5)
    assert SiteClock.read(behind) == SiteClock(-63, -58)
    assert SiteClock.read(behind).find_begin(behind) == 102.5


def test_quick_ways_of_different_exchanges_add_up() -> None:
    """There in 0.5 s once, back in 0.5 s another time: the clock is ahead by 59.5 to 60.5."""
    there = Exchange(sent_at_s=200, began_at_s=260.5, received_at_s=290, work_s=5)
    back = Exchange(sent_at_s=300, began_at_s=380, received_at_s=325.5, work_s=5)
    clock = SiteClock.read(SKEWED).narrow(there).narrow(back)
    assert clock == SiteClock(59.5, 60.5)
    assert clock.find_begin(SKEWED) == 102


def test_looser_bounds_change_nothing() -> None:
    slow = Exchange(sent_at_s=200, began_at_s=300, received_at_s=400, work_s=5)
    assert SiteClock(59, 61).narrow(slow) == SiteClock(59, 61)


def test_clock_that_was_set_is_learned_anew() -> None:
    after = Exchange(sent_at_s=200, began_at_s=202, received_at_s=210, work_s=5)
    assert SiteClock.read(SKEWED).narrow(after) == SiteClock(-3, 2)


@pytest.mark.parametrize(
    ("began_at_s", "expected"), [(0, 100), (159, 100), (161, 101.5), (165, 105), (1e308, 105)]
)
def test_begin_is_between_sending_and_the_last_moment_for_the_work(
    began_at_s: float, expected: float
) -> None:
    assert SiteClock(57, 62).find_begin(replace(SKEWED, began_at_s=began_at_s)) == expected


def test_more_work_than_there_was_time_begins_when_the_task_was_sent() -> None:
    impossible = replace(SKEWED, work_s=1e300)
    assert SiteClock.read(impossible).find_begin(impossible) == 100


numbers = st.floats(0, 1e308)


@given(numbers, numbers, numbers, numbers)
def test_begin_is_between_sending_and_receiving_whatever_a_site_says(
    first_s: float, first_work_s: float, second_s: float, second_work_s: float
) -> None:
    clocks = SiteClocks()
    for began_at_s, work_s in ((first_s, first_work_s), (second_s, second_work_s)):
        begin = clocks.find_begin("north", Exchange(1000, began_at_s, 1010, work_s))
        assert 1000 <= begin.timestamp() <= 1010


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(*[st.floats(0.01, 30)] * 3), min_size=1, max_size=9))
def test_true_offset_stays_within_the_bounds(
    ahead_s: float, exchanges: list[tuple[float, float, float]]
) -> None:
    clock = SiteClock(float("-inf"), float("inf"))
    for down_s, work_s, up_s in exchanges:
        began_at_s = 2e6 + down_s
        clock = clock.narrow(Exchange(2e6, began_at_s + ahead_s, began_at_s + work_s + up_s, work_s))
    assert clock.least_s <= ahead_s + 1e-6
    assert clock.most_s >= ahead_s - 1e-6
    assert clock.most_s - clock.least_s <= min(down + up for down, _, up in exchanges) + 1e-6


def test_each_site_has_a_clock_of_its_own() -> None:
    clocks = SiteClocks()
    clocks.start("north", Exchange(90, 150.5, 91))  # half a second each way
    on_time = Exchange(100, 102, 110, 5)
    assert clocks.find_begin("north", SKEWED) == datetime.fromtimestamp(102, UTC)
    assert clocks.find_begin("south", on_time) == datetime.fromtimestamp(102.5, UTC)


def test_site_that_connects_anew_has_a_new_clock() -> None:
    clocks = SiteClocks()
    clocks.start("north", Exchange(90, 150.5, 91))
    clocks.start("north", Exchange(95, 96, 99))  # ahead by -3 to 1
    assert clocks.find_begin("north", Exchange(100, 103, 110, 5)) == datetime.fromtimestamp(103.5, UTC)
