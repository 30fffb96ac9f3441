"""What a look at a machine finds: of each thing how it is and what to do, as a table or as JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from json import dumps
from typing import Self

from rich import box
from rich.table import Table
from rich.text import Text


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, how it is, and what to do about it."""

    subject: str
    level: Level
    text: str
    advice: str = ""

    @classmethod
    def of_fault(cls, subject: str, words: object, level: Level = Level.FAULT) -> Self:
        """Make one of an error, or its text, of which the first sentence says what is wrong."""
        text, _, advice = str(words).partition(". ")
        return cls(subject, level, f"{text.rstrip('.')}.", advice)


STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red"}


def draw_findings(findings: Iterable[Finding]) -> Table:
    """Return the findings as a table, with what to do below what was found."""
    table = Table("looked at", "is", "found", box=box.SIMPLE_HEAD)
    for finding in findings:
        text = Text(finding.text)
        if finding.advice:
            text.append(f"\n{finding.advice}", style="bold")
        table.add_row(finding.subject, Text(finding.level, style=STYLES[finding.level]), text)
    return table


def findings_to_json(findings: Iterable[Finding]) -> str:
    """Return the findings as JSON, for scripts."""
    return dumps([asdict(finding) for finding in findings], indent=2)


def has_fault(findings: Iterable[Finding]) -> bool:
    """Say whether there is a fault, for which a command ends with exit code 1."""
    return any(finding.level is Level.FAULT for finding in findings)


def count_rows(number: int) -> str:
    """Return a number of rows in words."""
    return "1 row" if number == 1 else f"{number} rows"
