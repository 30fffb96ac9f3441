import io
import json

import pytest
from rich.console import Console

from fl_core.findings import Finding, Level, draw_findings, findings_to_json, has_fault

FULL = Finding("disk", Level.FAULT, "It is [full].", "Make room.")


def test_advice_is_drawn_below_what_was_found() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(draw_findings([FULL]))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines[3:5]] == [
        ["disk", "fault", "It", "is", "[full]."],
        ["Make", "room."],
    ]


def test_findings_are_json_for_scripts() -> None:
    assert json.loads(findings_to_json([FULL])) == [
        {"subject": "disk", "level": "fault", "text": "It is [full].", "advice": "Make room."}
    ]


def test_only_a_fault_is_one() -> None:
    assert has_fault([FULL])
    assert not has_fault([Finding("disk", level, "") for level in (Level.WARNING, Level.OK)])


@pytest.mark.parametrize(
    ("words", "text", "advice"),
    [("It is full. Make room.", "It is full.", "Make room."), ("It is full.", "It is full.", "")],
)
def test_first_sentence_of_an_error_says_what_is_wrong(words: str, text: str, advice: str) -> None:
    assert Finding.of_fault("disk", words) == Finding("disk", Level.FAULT, text, advice)
