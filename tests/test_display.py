import io
import re
from typing import Any

import pytest
from rich.console import Console

from fl_client.display import SiteDisplay


def on_terminal(paper: io.StringIO) -> SiteDisplay:
    return SiteDisplay(Console(file=paper, force_terminal=True, width=100))


def test_line_stays_and_has_the_time_of_day(paper: io.StringIO) -> None:
    SiteDisplay(Console(file=paper)).say("round 1  trained")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  round 1  trained\n", paper.getvalue())


def test_long_line_is_not_broken(paper: io.StringIO) -> None:
    SiteDisplay(Console(file=paper, width=40)).say("x" * 200)
    assert paper.getvalue().count("\n") == 1


@pytest.mark.parametrize("text", ["[/bold]", "[red]host:1", "a [link=x] b", ":smile:"])
def test_text_is_shown_as_it_is_written(text: str, paper: io.StringIO) -> None:
    display = on_terminal(paper)
    with display:
        display.show(f"looking at {text}")
        display.say(f"said {text}")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", paper.getvalue())
    assert f"said {text}" in shown
    assert f"looking at {text}" in shown


def test_without_a_terminal_only_lines_are_printed(paper: io.StringIO) -> None:
    with SiteDisplay(Console(file=paper)) as display:
        display.show("reading scans")(3, 9)
        display.rest()
    assert paper.getvalue().strip() == ""


def test_steps_of_the_work_in_hand_are_shown(paper: io.StringIO) -> None:
    with on_terminal(paper) as display:
        on_step: Any = display.show("round 2: training")
        on_step(3, 9)
    assert "round 2: training" in paper.getvalue()
    assert "3/9" in paper.getvalue()


def test_line_is_in_the_log_too_and_marked_as_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "fl_client"):
        SiteDisplay(Console(file=io.StringIO())).say("round 1  trained")
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["is_said"]) == ("round 1  trained", True)
