"""The table of the fault matrix."""

from typing import Any, Literal

import pytest

from tests.integration.fault_table import draw_table, list_failures


def make_report(
    cell: str, outcome: Literal["passed", "failed"], reason: str = "", **properties: Any
) -> pytest.TestReport:
    told = [("cell", cell), *properties.items()]
    return pytest.TestReport(cell, ("", 0, ""), {}, outcome, reason, "call", user_properties=told)


REPORTS = [
    make_report("worker-freeze-writing", "failed", "The run never came to writing.\n--- server.log"),
    make_report("superlink-kill-sending", "passed", seconds=12.4),
]


def test_table_has_a_row_for_each_target_and_fault_that_was_tried() -> None:
    assert draw_table(REPORTS).splitlines() == [
        "|  | waiting | sending | training | replying | aggregating | writing |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| SuperLink, kill -9 |  | 12 s |  |  |  |  |",
        "| `fl-client`, SIGSTOP, 30 s |  |  |  |  |  | failed |",
    ]


def test_failures_are_told_in_a_line_each() -> None:
    assert list_failures(REPORTS) == ["worker-freeze-writing: The run never came to writing."]
