"""What the person at the hospital sees: a line for each thing done, a moving one for what goes on."""

import logging
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from fl_core.logs import SAID

logger = logging.getLogger(__name__)

OnStep = Callable[[int, int], None]


class SiteDisplay:
    """Prints lines with the time of day; on a terminal, a moving line below them shows the work in hand."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[steps]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", steps="")
        self._console = console

    def __enter__(self) -> "SiteDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line that stays, in the log too."""
        logger.info("%s", text, extra=SAID)
        now = datetime.now().astimezone()
        self._console.print(Text.assemble((f"{now:%H:%M:%S}", "dim"), f"  {text}"), soft_wrap=True)

    def rest(self) -> None:
        """Show that the next task is waited for."""
        self.show("waiting for the coordinator")

    def show(self, work: str) -> OnStep:
        """Show what goes on now; call the result with the steps done and the steps in all."""
        self._progress.reset(self._task, description=work, total=None, steps="")

        def on_step(num_done: int, num_steps: int) -> None:
            steps = f"{num_done}/{num_steps}"
            self._progress.update(self._task, completed=num_done, total=num_steps, steps=steps)

        return on_step
