import pytest

from fl_core.config import ScreeningConfig
from fl_server.screening import NormScreen, Strikes, lower_median

TENFOLD = ScreeningConfig(max_norm_ratio=10, recent_rounds=2)


@pytest.mark.parametrize(
    ("values", "middle"), [([], 0), ([3], 3), ([1, 9], 1), ([9, 1, 2], 2), ([4, 3, 2, 1], 2)]
)
def test_lower_median_is_one_of_the_values(values: list[float], middle: float) -> None:
    assert lower_median(values) == middle


def test_update_far_longer_than_the_others_is_told_with_its_bound() -> None:
    assert NormScreen(TENFOLD).find_too_long({"a": 2.0, "b": 1.0, "c": 20.1}) == {
        "c": "Its update has norm 20.1, expected at most 20, which is 10 times the usual one; "
        "it was left out."
    }


def test_of_two_sites_the_longer_one_is_left_out() -> None:
    assert set(NormScreen(TENFOLD).find_too_long({"a": 1e6, "b": 1.0})) == {"a"}


def test_rounds_before_tell_what_is_usual() -> None:
    screen = NormScreen(TENFOLD)
    for _ in range(2):
        assert screen.find_too_long({"a": 1.0, "b": 1.5, "c": 1.2}) == {}
    assert set(screen.find_too_long({"a": 50.0, "b": 60.0, "c": 1.2})) == {"a", "b"}


def test_what_was_left_out_is_not_remembered() -> None:
    screen = NormScreen(TENFOLD)
    for _ in range(3):
        assert set(screen.find_too_long({"a": 1.0, "b": 1e6})) == {"b"}


def test_site_that_did_nothing_makes_no_other_one_suspicious() -> None:
    assert NormScreen(TENFOLD).find_too_long({"a": 0.0, "b": 0.0, "c": 0.0}) == {}


def test_last_strike_lets_a_site_sit_out_and_the_count_begins_anew() -> None:
    strikes = Strikes(2)
    assert [strikes.add("a"), strikes.add("b"), strikes.add("a"), strikes.add("a")] == [
        False,
        False,
        True,
        False,
    ]


def test_without_a_limit_nobody_sits_out() -> None:
    strikes = Strikes(0)
    assert not any(strikes.add("a") for _ in range(10))
