"""Two hours of a run, 25 times as fast, in front of a page that stays open: nothing grows but the data.

The monitor reads its store, and the page its feed, every 40 ms instead of every second.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from fl_store.accounts import add_user
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.soak]

logger = logging.getLogger(__name__)

PASSWORD = "correct horse"
FASTER = 25
NUM_ROUNDS = 120
ROUND_S = 60.0
ROUNDS_OF_WARM_UP = 40
MOST_GROWTH_MB = 12.0
FAST_TIMERS = f"""
const real = window.setTimeout;
window.setTimeout = (call, ms, ...rest) => real(call, ms === 1000 ? ms / {FASTER} : ms, ...rest);
"""
FAST_MONITOR = f"""
import fl_monitor.poller, fl_monitor.tables
fl_monitor.poller.READ_EVERY_S = 1 / {FASTER}
fl_monitor.tables.READ_EVERY_S = 2 / {FASTER}
from fl_monitor.cli import main
main()
"""


@pytest.mark.timeout(900)
def test_two_hours_of_a_run_leave_server_and_tab_as_large_as_they_were(
    store: SqliteStore, rehearsal: Any, run_monitor: Any, free_port: int, visit: Callable[..., Any]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    rehearsal.num_rounds = NUM_ROUNDS
    rehearsal.start()
    with run_monitor(free_port, python=FAST_MONITOR) as process:
        visitor = visit(f"http://127.0.0.1:{free_port}")
        visitor.context.add_init_script(FAST_TIMERS)
        tab = visitor.sign_in("anna", PASSWORD)
        tab.locator(".fl-board[data-page=live]").wait_for()
        server = psutil.Process(process.pid)
        sizes_mb = []
        for round_no in range(1, NUM_ROUNDS + 1):
            play_fast(rehearsal, round_no)
            if round_no in {ROUNDS_OF_WARM_UP, NUM_ROUNDS}:
                sizes_mb.append((server.memory_info().rss / 1e6, heap_mb(tab)))
        polls = sum("/api/pages/live" in url for url in visitor.requests)
        tab.get_by_text(f"Running round {NUM_ROUNDS} of").wait_for(timeout=5_000)
    logger.info("%s polls; server and tab in MB: %s", polls, sizes_mb)
    growth = [after - before for before, after in zip(*sizes_mb, strict=True)]
    assert polls > 2000
    assert max(growth) < MOST_GROWTH_MB
    assert visitor.errors == []


def play_fast(rehearsal: Any, round_no: int) -> None:
    """Play a round of a minute; the coordinator's clock runs as fast as its rounds."""
    rehearsal.begin_round(round_no)
    for site in rehearsal.sites:
        time.sleep(ROUND_S / FASTER / len(rehearsal.sites))
        rehearsal.beat()
        rehearsal.reply(round_no, site)
    rehearsal.end_round(round_no)


def heap_mb(tab: Any) -> float:
    """Return what the page's scripts hold after the garbage has gone."""
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 1e6
