"""How our programs end when somebody asks them to: cleanly at first, and at once if asked again."""

import contextlib
import os
import signal
import sys
from types import FrameType

import psutil

EXIT_INTERRUPTED = 130
SHOW_CURSOR = b"\x1b[?25h"


def end_when_asked() -> None:
    """Let Ctrl-C, SIGTERM and a terminal that is closed (SIGHUP) end this process by a KeyboardInterrupt.

    While it ends, a second Ctrl-C kills it and all that it has started; other signals are ignored then, as a
    terminal that is closed and a service manager may send several. What the process was started to ignore,
    as with nohup, it goes on ignoring.
    """
    asked: list[int] = []

    def answer(number: int, _frame: FrameType | None) -> None:
        if not asked:
            asked.append(number)
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            _end_at_once()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, answer)


def kill_descendants() -> None:
    """Kill every process that this one has started, and what those have."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _end_at_once() -> None:
    kill_descendants()
    if sys.stdout.isatty():  # the moving table has hidden it
        os.write(sys.stdout.fileno(), SHOW_CURSOR)
    os._exit(EXIT_INTERRUPTED)
