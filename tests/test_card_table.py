import io

from rich.console import Console

from luna16.card_table import draw_card
from luna16.data_card import ScanFacts, make_data_card


def draw(scans: list[ScanFacts]) -> list[str]:
    paper = io.StringIO()
    Console(file=paper, width=80, highlight=False).print(draw_card(make_data_card(scans)))
    return paper.getvalue().splitlines()


def test_share_is_a_number_and_a_bar() -> None:
    lines = draw([ScanFacts((1.0, 0.65, 0.65))] * 6 + [ScanFacts((1.0, 0.75, 0.75))] * 18)
    assert ["0.6", "to", "0.7", "mm", "6", "25", "%", "█" * 6] in map(str.split, lines)
    assert ["0.7", "to", "0.8", "mm", "18", "75", "%", "█" * 18] in map(str.split, lines)


def test_withheld_bin_has_no_share() -> None:
    lines = draw([ScanFacts((1.0, s, s)) for s in (0.55, *[0.65] * 9, *[0.75] * 20)])
    assert [line.split() for line in lines if line.startswith("0.5 to")] == [
        ["0.5", "to", "0.6", "mm", "withheld"]
    ]


def test_card_of_few_scans_is_withheld_as_a_whole() -> None:
    lines = draw([ScanFacts((1.0, 0.65, 0.65))] * 4)
    assert [line.split() for line in lines[:3]] == [
        ["scans", "withheld"],
        ["scans", "with", "nodules", "withheld"],
        ["nodules", "withheld"],
    ]
    assert "nodule diameter, pixel spacing, slice spacing, HU, scanner vendor." in " ".join(
        " ".join(lines).split()
    )
