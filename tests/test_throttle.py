from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.throttle import (
    FAILURES_OF_ALL,
    LONGEST_DELAY_S,
    MOST_KEYS,
    MOST_WAITING,
    Throttle,
    throttle_keys,
)
from fl_store.rows import LoginAttemptRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def delays_s(throttle: Throttle, keys: list[str], num_attempts: int) -> list[int]:
    return [throttle.delay_s(keys, NOON) for _ in range(num_attempts)]


def test_delay_doubles_after_three_failures_up_to_half_a_minute() -> None:
    assert delays_s(Throttle(), ["account anna"], 10) == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_success_forgives_earlier_failures() -> None:
    throttle = Throttle()
    delays_s(throttle, ["account anna"], 6)
    throttle.forgive(["account anna"])
    assert throttle.delay_s(["account anna"], NOON) == 0


def test_failures_are_forgotten_after_a_quarter_of_an_hour() -> None:
    throttle = Throttle()
    delays_s(throttle, ["account anna"], 6)
    assert throttle.delay_s(["account anna"], NOON + timedelta(minutes=15)) == 0


def test_address_that_tries_many_accounts_is_delayed() -> None:
    throttle = Throttle()
    delays = [throttle.delay_s([f"account {name}", "address 10.0.0.9"], NOON) for name in "abcde"]
    assert delays == [0, 0, 0, 1, 2]


def test_failures_of_one_account_do_not_delay_another() -> None:
    throttle = Throttle()
    delays_s(throttle, ["account anna"], 9)
    assert throttle.delay_s(["account ben"], NOON) == 0


def test_delay_stays_bounded_however_long_an_attack_lasts() -> None:
    throttle = Throttle()
    assert delays_s(throttle, ["account anna"], 5000)[-1] == LONGEST_DELAY_S


def test_success_leaves_the_address_the_failures_of_other_accounts() -> None:
    throttle = Throttle()
    delays_s(throttle, ["account anna", "address 10.0.0.9"], 4)
    delays_s(throttle, ["account mallory", "address 10.0.0.9"], 1)
    throttle.forgive(["account mallory", "address 10.0.0.9"])
    assert throttle.delay_s(["account ben", "address 10.0.0.9"], NOON) == 2


def test_flood_of_invented_names_is_bounded_and_hides_no_attack() -> None:
    throttle = Throttle()
    delays_s(throttle, ["account anna"], 6)
    for number in range(3 * MOST_KEYS):
        throttle.delay_s([f"account {number}"], NOON)
    assert len(throttle._failures) <= MOST_KEYS
    assert throttle.delay_s(["account anna"], NOON) == 8


def test_name_of_any_length_takes_little_memory() -> None:
    (key,) = throttle_keys("a" * 1_000_000, None)
    assert len(key) < 100


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.9", "address 10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64"),
        ("::ffff:10.0.0.9", "address 10.0.0.9"),
        ("testclient", "address testclient"),
    ],
)
def test_address_counts_by_what_one_visitor_has_to_itself(address: str, key: str) -> None:
    assert throttle_keys("Anna ", address) == ["account anna", key]


def failures(user: str | None, address: str | None, number: int) -> list[LoginAttemptRow]:
    return [LoginAttemptRow(user, address, is_accepted=False, attempted_at=NOON)] * number


def test_failures_of_an_address_outlive_a_restart() -> None:
    throttle = Throttle()
    throttle.remember(failures(None, "10.0.0.9", 7), NOON)
    assert throttle.delay_s(["account new", "address 10.0.0.9"], NOON) == 16


@pytest.mark.parametrize("user", ["anna", None])
def test_after_a_restart_known_and_unknown_names_wait_alike(user: str | None) -> None:
    throttle = Throttle()
    throttle.remember(failures(user, None, 40), NOON)
    assert throttle.delay_s(["account anna"], NOON) == throttle.delay_s(["account nobody"], NOON) == 4


def test_failures_before_a_restart_are_forgotten_in_time_and_by_success() -> None:
    throttle = Throttle()
    throttle.remember(failures("anna", None, FAILURES_OF_ALL), NOON)
    throttle.delay_s(["account ben"], NOON)
    throttle.forgive(["account ben"])
    assert throttle.delay_s(["account ben"], NOON) == 0
    assert throttle.delay_s(["account anna"], NOON + timedelta(minutes=15)) == 0


def test_accepted_and_old_attempts_do_not_count_after_a_restart() -> None:
    throttle = Throttle()
    accepted = [LoginAttemptRow("anna", "10.0.0.9", is_accepted=True, attempted_at=NOON)] * 9
    throttle.remember([*accepted, *failures("anna", "10.0.0.9", 9)], NOON + timedelta(minutes=15))
    assert throttle.delay_s(["account anna", "address 10.0.0.9"], NOON) == 0


def test_only_so_many_attempts_of_one_address_wait_at_once() -> None:
    throttle = Throttle()
    lanes = [throttle.in_line(["account anna", "address 10.0.0.9"]) for _ in range(MOST_WAITING + 1)]
    assert [lane.__enter__() for lane in lanes] == [True] * MOST_WAITING + [False]
    with throttle.in_line(["account anna", "address 10.0.0.1"]) as has_place:
        assert has_place
    for lane in lanes:
        lane.__exit__(None, None, None)
    assert not throttle._waiting
    with throttle.in_line(["account anna", "address 10.0.0.9"]) as has_place:
        assert has_place
