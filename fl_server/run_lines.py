"""The coordinator's terminal: one line for each event of a run, and without a table one for each round."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.text import Text

from fl_core.logs import SAID, note_round
from fl_server.progress_table import RunView, describe_round
from fl_store.base import Store
from fl_store.event_kinds import level_of
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RoundRow, RunRow

logger = logging.getLogger(__name__)

TOLD_BY_ITS_ROUND = "round_ended"


@dataclass(frozen=True)
class Line:
    """What is said at a moment; ``is_shown`` unless the terminal says it elsewhere."""

    at: datetime
    text: str
    level: int = logging.INFO
    site: str | None = None
    is_shown: bool = True


class RunLines:
    """Says each thing once, on the terminal and in the log; what was there before is not told again."""

    def __init__(self, console: Console, store: Store, run_id: str) -> None:
        self._console = console
        self._told = {row.event_id for row in store.get(EventRow, run_id=run_id)}
        ended = (row for row in store.get(RoundRow, run_id=run_id) if row.ended_at)
        self._rounds_told = {row.round_no for row in ended}

    def tell_new(self, view: RunView) -> None:
        """Say what has happened since the last look, in the order of time."""
        for line in sorted([*self._find_rounds(view), *self._find_events(view)], key=lambda each: each.at):
            _note_round_at(view, line.at)
            logger.log(line.level, "%s", line.text, extra={**SAID, "site": line.site})
            if line.is_shown:
                self._print(line)
        _note_round_at(view, utc_now())

    def _find_rounds(self, view: RunView) -> Iterator[Line]:
        for row in view.rounds:
            if row.ended_at and row.round_no not in self._rounds_told:
                self._rounds_told.add(row.round_no)
                yield Line(row.ended_at, describe_round(view, row), is_shown=not self._console.is_terminal)

    def _find_events(self, view: RunView) -> Iterator[Line]:
        for row in view.events:
            if row.event_id not in self._told:
                self._told.add(row.event_id)
                if row.kind != TOLD_BY_ITS_ROUND:
                    is_shown = not _is_end(row, view.run)
                    yield Line(row.occurred_at, row.text, level_of(row.kind), row.site, is_shown=is_shown)

    def _print(self, line: Line) -> None:
        style = "yellow" if line.level == logging.WARNING else ""
        time = f"{line.at.astimezone():%H:%M:%S}"
        self._console.print(Text.assemble((time, "dim"), "  ", (line.text, style)), soft_wrap=True)


def _is_end(event: EventRow, run: RunRow) -> bool:
    """Say whether an event tells the end of the run, which the last lines on the terminal do as well."""
    return run.state.is_over and event.kind == "run" and event.text.startswith(f"The run is {run.state}")


def _note_round_at(view: RunView, at: datetime) -> None:
    """Let the log tell the round of a moment: a look may come when the next one has begun."""
    if begun := [row.round_no for row in view.rounds if row.started_at <= at]:
        note_round(begun[-1])
