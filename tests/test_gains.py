from dataclasses import replace
from typing import Any

import pytest

from fl_monitor.gains import Gain, describe_gain, read_gains, verdict_of
from luna16.comparison_report import ComparisonReport
from luna16.comparison_report import Gain as MeasuredGain
from luna16.comparison_view import describe_gain as describe_in_terminal

GAIN = Gain("north", 28, 37, 0.65, 0.70, 0.05, (0.02, 0.08))


@pytest.mark.parametrize(
    ("changes", "verdict", "begin"),
    [
        ({}, "gained", "north gained: on 28 test scans"),
        ({"interval": (-0.08, -0.02)}, "lost", "north lost: on 28 test scans"),
        ({"interval": (-0.01, 0.08)}, "no difference shown", "For north no difference could be shown:"),
        ({"interval": None}, "cannot be told", "For north nothing can be told yet:"),
        ({"interval": None, "difference": None}, "cannot be told", "For north nothing can be told: 28"),
    ],
)
def test_sentence_begins_with_the_verdict(changes: dict[str, Any], verdict: str, begin: str) -> None:
    gain = replace(GAIN, **changes)
    assert verdict_of(gain)[0] == verdict
    assert describe_gain(gain).startswith(begin)


def test_sentence_has_the_numbers_and_the_interval() -> None:
    assert describe_gain(GAIN).endswith(
        "28 test scans of its own with 37 nodules the federated model has a CPM of 0.700, its own model "
        "0.650 (+0.050, 95 % CI +0.020 to +0.080)."
    )


def test_sentence_says_what_luna16_compare_says() -> None:
    measured = MeasuredGain("north", 28, 37, alone=0.65, federated=0.70, interval=(0.02, 0.08))
    report = ComparisonReport(28, 37, 1, rounds=2, steps=3, arms=(), gains=(measured,))
    (gain,) = read_gains(report.to_json())
    in_terminal = describe_in_terminal(measured).replace("'", "").replace("95 % interval", "95 % CI")
    assert describe_gain(gain) == in_terminal
