import logging

import pytest

from fl_monitor.event_words import kinds, tone_of
from fl_store.event_kinds import BAD, GOOD, WARNINGS, level_of


def test_each_kind_weighs_one_thing_and_has_a_name_in_the_monitor() -> None:
    assert not GOOD & WARNINGS
    assert not BAD & (GOOD | WARNINGS)
    assert kinds().keys() >= GOOD | WARNINGS | BAD


@pytest.mark.parametrize(
    ("kind", "level", "tone"),
    [
        ("site_back", logging.INFO, "good"),
        ("batch_halved", logging.WARNING, "warn"),
        ("scans_set_aside", logging.WARNING, "warn"),
        ("site_failed", logging.WARNING, "bad"),
        ("round_ended", logging.INFO, "calm"),
        ("of a newer version", logging.INFO, "calm"),
    ],
)
def test_terminal_and_monitor_agree_on_what_somebody_should_look_at(kind: str, level: int, tone: str) -> None:
    assert (level_of(kind), tone_of(kind)) == (level, tone)
