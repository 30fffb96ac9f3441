"""What the monitor costs with 1, 10, 50 and 200 viewers of a run that goes on, over a million metric rows.

A real fl-monitor serves a store of 100 runs with 100 rounds and 5 sites each. A site of the newest run
answers every second. Viewers poll the Live page once a second, as browsers do, each with the version that it
has. At the end a browser opens the page. Run: python -m bench.monitor [--seconds 30]
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from fl_core.processes import find_free_port
from fl_monitor.auth import Sessions
from fl_monitor.routes import COOKIE
from fl_store.accounts import add_user
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import SiteRow, utc_now
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.sqlite import FILE_NAME, SqliteStore
from fl_store.words import Role, RunState, SiteRoundState
from tests.integration.conftest import CHROMIUM_FLAGS

NUM_RUNS = 100
NUM_ROUNDS = 100
SITES = tuple(f"site-{number}" for number in range(5))
NUM_VIEWERS = (1, 10, 50, 200)
ANSWER_EVERY_S = 1.0
WARM_UP_S = 5.0
PASSWORD = "correct horse"  # noqa: S105 - of a store that lives for minutes


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each number of viewers looks")
    seconds = parser.parse_args().seconds
    console = Console()
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.closing(SqliteStore(Path(name) / FILE_NAME)) as store,
    ):
        num_rows = fill(store)
        token = Sessions(store).start(add_user(store, "anna", PASSWORD, role=Role.ANALYST), utc_now())
        with serve(Path(name)) as (process, url), keep_answering(store):
            table = Table(
                "viewers",
                "CPU (% of a core)",
                "p50 (ms)",
                "p95 (ms)",
                "answers/s",
                "memory (MB)",
                title=f"The monitor over {num_rows:,} metric rows",
            )
            for num_viewers in NUM_VIEWERS:
                table.add_row(str(num_viewers), *measure(process, url, token, num_viewers, seconds))
            console.print(table)
            console.print(f"A browser has the page after {time_page(url):.1f} s (median of 3).")


def fill(store: SqliteStore) -> int:
    """Write the runs of the past and the first rounds of the newest; return the number of metric rows."""
    began = utc_now() - timedelta(days=NUM_RUNS)
    store.put([SiteRow(site, "1", 80, 20, began, began) for site in SITES])
    num_rows = 0
    for run_no in range(NUM_RUNS):
        started_at = began + timedelta(days=run_no)
        is_newest = run_no == NUM_RUNS - 1
        state = RunState.RUNNING if is_newest else RunState.FINISHED
        run_id = f"run-{run_no:03}"
        store.put([RunRow(run_id, "Bench", state, 10 * NUM_ROUNDS, {}, started_at)])
        for round_no in range(1, NUM_ROUNDS + 1):
            rows = make_round(run_id, round_no, started_at)
            num_rows += sum(isinstance(row, MetricRow) for row in rows)
            store.put(rows)
    return num_rows


def make_round(run_id: str, round_no: int, started_at: Any) -> list[Any]:
    """Make all rows of one round that is over."""
    at = started_at + timedelta(minutes=round_no)
    value = 0.9 - 0.4 / round_no
    metrics = [
        MetricRow(run_id, round_no, site, metric, value, 120, at)
        for site in (*SITES, FEDERATION)
        for metric in METRICS
    ]
    parts = [
        SiteRoundRow(
            run_id, round_no, site, SiteRoundState.DONE, at, train_s=20.0, evaluate_s=4.0, num_examples=120
        )
        for site in SITES
    ]
    return [*parts, *metrics, RoundRow(run_id, round_no, at, at + timedelta(seconds=40))]


METRICS = tuple(Metric)


@contextlib.contextmanager
def serve(home: Path) -> Iterator[tuple[psutil.Process, str]]:
    """Run an fl-monitor; its log goes nowhere."""
    port = find_free_port()
    command = [sys.executable, "-m", "fl_monitor", "--home", str(home), "--port", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_up(url):
            time.sleep(0.2)
        yield psutil.Process(child.pid), url
    finally:
        child.terminate()
        child.wait()


def is_up(url: str) -> bool:
    """Say whether the monitor answers."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/_stcore/health").is_success
    return False


@contextlib.contextmanager
def keep_answering(store: SqliteStore) -> Iterator[None]:
    """Let a site of the newest run answer every second, in a thread."""
    ending = threading.Event()

    def play() -> None:
        round_no = NUM_ROUNDS
        while not ending.is_set():
            round_no += 1
            *rows, over = make_round(
                f"run-{NUM_RUNS - 1:03}", round_no, utc_now() - timedelta(minutes=round_no)
            )
            store.put([replace(over, ended_at=None)])
            for site in SITES:
                ending.wait(ANSWER_EVERY_S)
                store.put([row for row in rows if row.site == site])
            store.put([*(row for row in rows if row.site == FEDERATION), over])

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def measure(
    process: psutil.Process, url: str, token: str, num_viewers: int, seconds: float
) -> tuple[str, ...]:
    """Let so many viewers look and return the cells of a line of the table."""
    asyncio.run(look(url, token, num_viewers, WARM_UP_S))
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    waits_s, num_answers = asyncio.run(look(url, token, num_viewers, seconds))
    spent_s = time.perf_counter() - began
    busy_s = sum(process.cpu_times()[:2]) - before
    p50, p95 = 1000 * np.quantile(waits_s, (0.5, 0.95))
    cells = (100 * busy_s / spent_s, p50, p95, num_answers / spent_s, process.memory_info().rss / 1e6)
    return tuple(f"{cell:.1f}" for cell in cells)


async def look(url: str, token: str, num_viewers: int, seconds: float) -> tuple[list[float], int]:
    """Poll as so many browsers do; return how long each answer took, and how many held something new."""
    waits_s: list[float] = []
    num_new = 0
    ends_at = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=num_viewers, max_keepalive_connections=num_viewers)
    async with httpx.AsyncClient(base_url=url, cookies={COOKIE: token}, limits=limits) as client:

        async def view(number: int) -> None:
            nonlocal num_new
            version = ""
            await asyncio.sleep(number / num_viewers)
            while (began := time.perf_counter()) < ends_at:
                response = await client.get("/api/pages/live", params={"known": version})
                waits_s.append(time.perf_counter() - began)
                if response.status_code == httpx.codes.OK:
                    num_new += 1
                    version = response.text[12 : response.text.index('"', 12)]
                await asyncio.sleep(max(0.0, 1.0 - (time.perf_counter() - began)))

        await asyncio.gather(*(view(number) for number in range(num_viewers)))
    return waits_s, num_new


def time_page(url: str) -> float:
    """Return the seconds from opening the address to the last chart, for a browser that is signed in."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - no asyncio beside it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        tab = browser.new_context().new_page()
        tab.goto(url)
        tab.get_by_label("User", exact=True).fill("anna")
        tab.get_by_label("Password", exact=True).fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        times_s = []
        for _ in range(4):
            tab.locator("[data-block=froc] .plot-container").wait_for(timeout=60_000)
            began = time.perf_counter()
            tab.goto(url)
            tab.locator("[data-block=froc] .plot-container").wait_for(timeout=60_000)
            times_s.append(time.perf_counter() - began)
        browser.close()
    return statistics.median(times_s[1:])


if __name__ == "__main__":
    main()
