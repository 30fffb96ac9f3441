"""The table of the fault matrix: a row for each target and fault, a column for each phase."""

from collections.abc import Iterable
from itertools import product

import pytest

from tests.integration.fault_cells import Cell, Fault, Phase, Target

TARGETS = {
    Target.SERVER_APP: "ServerApp",
    Target.SUPERLINK: "SuperLink",
    Target.LAUNCHER: "`fl-server`",
    Target.SUPERNODE: "SuperNode",
    Target.WORKER: "`fl-client`",
    Target.SITE: "whole site",
}
FAULTS = {Fault.KILL: "kill -9", Fault.FREEZE: "SIGSTOP, 30 s", Fault.TERMINATE: "SIGTERM"}


def draw_table(reports: Iterable[pytest.TestReport]) -> str:
    """Return as Markdown what became of each cell; rows of which no cell was tried are left out.

    A cell shows the seconds from the fault to the end of the next round.
    """
    told = {properties["cell"]: properties for properties in (dict(each.user_properties) for each in reports)}
    lines = [["", *Phase], ["---", *("---:" for _ in Phase)]]
    for target, fault in product(Target, Fault):
        cells = [told.get(str(Cell(target, fault, phase))) for phase in Phase]
        if any(cells):
            lines.append([f"{TARGETS[target]}, {FAULTS[fault]}", *map(_show, cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def list_failures(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each cell that failed."""
    failed = [report for report in reports if report.failed]
    return [f"{dict(each.user_properties)['cell']}: {_find_reason(each)}" for each in failed]


def _find_reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else str(report.longrepr)).partition("\n")[0]


def _show(cell: dict[str, object] | None) -> str:
    if cell is None:
        return ""
    return f"{cell['seconds']:.0f} s" if "seconds" in cell else "failed"
