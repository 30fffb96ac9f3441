import pytest

from fl_server.pace import NUM_REMEMBERED, SHORTEST_LIMIT_S, Pace


def test_site_of_which_nothing_is_known_has_the_longest_time() -> None:
    assert Pace(3600).find_limit_s("north", "train", 1) == 3600


def test_limit_is_three_times_the_slowest_of_the_last_five() -> None:
    pace = Pace(3600)
    for taken_s in (900, 100, 30, 40, 50, 60):
        pace.learn("north", "train", 1, taken_s)
    assert NUM_REMEMBERED == 5
    assert pace.find_limit_s("north", "train", 1) == 300


def test_short_tasks_have_a_minute_and_long_ones_no_more_than_the_cap() -> None:
    pace = Pace(3600)
    pace.learn("north", "train", 1, 2)
    pace.learn("south", "train", 1, 3000)
    assert pace.find_limit_s("north", "train", 1) == SHORTEST_LIMIT_S
    assert pace.find_limit_s("south", "train", 1) == 3600


def test_round_of_more_epochs_has_more_time() -> None:
    pace = Pace(3600)
    pace.learn("north", "train", 2, 100)
    assert pace.find_limit_s("north", "train", 5) == 3 * 250


@pytest.mark.parametrize(("site", "kind"), [("south", "train"), ("north", "evaluate")])
def test_sites_and_kinds_are_learnt_apart(site: str, kind: str) -> None:
    pace = Pace(3600)
    pace.learn("north", "train", 1, 100)
    assert pace.find_limit_s(site, kind, 1) == 3600


def test_memory_gives_the_same_limits_again() -> None:
    pace, again = Pace(3600), Pace(3600)
    pace.learn("north", "train", 1, 100)
    again.memory = pace.memory
    assert again.find_limit_s("north", "train", 1) == 300
    assert again.memory == {"north/train": [100]}
