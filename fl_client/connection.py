"""Waiting for the coordinator: one line a try, with growing pauses."""

import itertools
import time
from collections.abc import Callable, Iterator

from fl_client.link import Link
from fl_core.errors import SiteRefusedError

MAX_PAUSE_S = 30.0


def wait_for_server(link: Link, say: Callable[[str], None]) -> None:
    """Return once the coordinator answers as it should; every try that fails is one line.

    Raises SiteRefusedError if waiting does not help.
    """
    for pause_s in _pauses_s():
        fault = link.find_fault()
        if fault is None:
            return
        if fault.is_final:
            raise SiteRefusedError(fault.text)
        say(f"No coordinator at {link.server} ({fault.text}); trying again in {pause_s:.0f} s")
        time.sleep(pause_s)


def _pauses_s() -> Iterator[float]:
    return itertools.chain((1.0, 2.0, 4.0, 8.0, 16.0), itertools.repeat(MAX_PAUSE_S))
