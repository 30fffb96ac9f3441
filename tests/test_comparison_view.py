"""What a hospital reads: whether it gained, in words that claim no more than the numbers do."""

import pytest
from rich.console import Console

from luna16.comparison_report import Gain, make_comparison_report
from luna16.comparison_view import describe_gain, describe_test, draw_arms, list_sentences
from tests.test_comparison_report import CONFIG, SCORES, SHARDS


def make_gain(**changes: object) -> Gain:
    known = {
        "site": "north",
        "num_scans": 20,
        "num_nodules": 35,
        "alone": 0.5,
        "federated": 0.62,
        "interval": (0.04, 0.2),
    }
    return Gain(**(known | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "'north' gained: on 20 test scans of its own with 35 nodules the federated model",
        ),
        ({}, "its own model 0.500 (+0.120, 95 % interval +0.040 to +0.200)."),
        ({"federated": 0.4, "interval": (-0.2, -0.01)}, "'north' lost: on 20"),
        ({"interval": (-0.1, 0.2)}, "For 'north' no difference could be shown: on 20"),
        ({"num_scans": 3, "interval": None}, "nothing can be told yet: on 3 test scans"),
        ({"num_scans": 3, "interval": None}, "which may be chance with fewer than 10 scans."),
        ({"alone": None, "federated": None, "interval": None}, "with 35 nodules give no CPM."),
    ],
)
def test_sentence_says_what_the_numbers_allow(changes: dict[str, object], words: str) -> None:
    assert words in describe_gain(make_gain(**changes))


def test_federated_model_is_put_beside_the_others() -> None:
    first, *gains = list_sentences(make_comparison_report(SCORES, SHARDS, CONFIG))
    assert first == (
        "On all test scans the federated model has a CPM of 0.950: 100 % of the central model's 0.950, and "
        "more than any site reaches alone (at best 'east', 0.500)."
    )
    assert len(gains) == 2


def test_table_fits_into_80_columns() -> None:
    report = make_comparison_report(SCORES, SHARDS, CONFIG)
    console = Console(width=80, record=True, markup=False)
    console.print(describe_test(report), draw_arms(report))
    lines = console.export_text().splitlines()
    assert "40 test scans of all sites, 40 nodules; 4 rounds of 7 steps; mean" in lines[0]
    assert any(line.split()[:4] == ["east", "alone", "0.500", "±"] for line in lines)
