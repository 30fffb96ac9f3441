"""Rows a second that the stores keep, and how long a round waits for them with Supabase off, up and down.

A Supabase project is started for it: tests/supabase_server.py says what that needs. All files lie in the
system's temporary folder; set TMPDIR if that is in memory, where a commit costs nothing. A round's rows are
the coordinator's own, one round at once after the other. Run: python -m bench.store [--rounds 100]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from fl_store.base import Store
from fl_store.metrics import Metric
from fl_store.mirrored import MirroredStore
from fl_store.outbox import Outbox
from fl_store.rows import Row, utc_now
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.played_run import PlayedRun, TimedStore
from tests.supabase_server import SupabaseServer

FloatArray = npt.NDArray[np.float64]
NUM_PUTS = {1: 1000, 500: 40}
"""How often so many rows are put at once."""
NUM_SITES = (8, 50)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    num_rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SupabaseServer.start(folder / "supabase") as server:
            Console().print(tabulate_rates(folder, server))
            Console().print(tabulate_waits(folder, server, num_rounds))


def tabulate_rates(folder: Path, server: SupabaseServer) -> Table:
    """Measure rows a second: until ``put`` has returned, and until they are in Supabase."""
    table = Table("store", "rows a put", "kept", "in Supabase", title="Rows a second")
    for num_rows, num_puts in NUM_PUTS.items():
        batches = [make_rows(round_no, num_rows) for round_no in range(num_puts)]
        path = folder / f"{num_rows}-alone.db"
        for name, store in (("SQLite", SqliteStore(path)), ("Supabase", open_supabase(server))):
            server.empty()
            with closing(store):
                kept_s = put_all(store, batches)
            table.add_row(name, str(num_rows), rate(batches, kept_s), "")
        server.empty()
        kept_s, carried_s = put_and_carry_all(folder / f"{num_rows}-both.db", server, batches)
        table.add_row("both", str(num_rows), rate(batches, kept_s), rate(batches, carried_s))
    return table


def make_rows(round_no: int, num_rows: int) -> list[Row]:
    """Make rows that no other round has."""
    sites = [f"site-{number}" for number in range(num_rows)]
    return [MetricRow("bench", round_no, site, Metric.AUC, 0.5, 120, utc_now()) for site in sites]


def put_all(store: Store, batches: list[list[Row]]) -> float:
    """Return the seconds until the last ``put`` has returned."""
    began = time.perf_counter()
    for batch in batches:
        store.put(batch)
    return time.perf_counter() - began


def put_and_carry_all(path: Path, server: SupabaseServer, batches: list[list[Row]]) -> tuple[float, float]:
    """Return the seconds until the last ``put`` has returned, and until Supabase has all rows too."""
    began = time.perf_counter()
    with closing(open_both(path, server)) as store, closing(SqliteStore(path)) as beside:
        kept_s = put_all(store, batches)
        while Outbox(beside).backlog().num_waiting:
            time.sleep(0.02)
        return kept_s, time.perf_counter() - began


def rate(batches: list[list[Row]], seconds: float) -> str:
    """Return the rows a second, as the table shows them."""
    return f"{sum(map(len, batches)) / seconds:,.0f}"


def tabulate_waits(folder: Path, server: SupabaseServer, num_rounds: int) -> Table:
    """Measure how long the coordinator waits for the store at one put, and in a round at all its puts."""
    figures = [f"{what}\n{figure}" for what in ("put", "round") for figure in ("p50", "p99", "max")]
    table = Table(
        "sites", "Supabase", "puts", *figures, title="Milliseconds that a round waits for the store"
    )
    for num_sites in NUM_SITES:
        server.empty()
        for name, store in open_each(folder / str(num_sites), server):
            waits_s = play_rounds(store, num_sites, num_rounds)
            table.add_row(str(num_sites), name, str(waits_s.shape[1]), *quantiles_ms(waits_s))
    return table


def open_each(folder: Path, server: SupabaseServer) -> Iterator[tuple[str, Store]]:
    """Yield new stores, one with Supabase off, one with it up and one with it down."""
    with closing(SqliteStore(folder / "off.db")) as store:
        yield "off", store
    with closing(open_both(folder / "up.db", server)) as store:
        yield "up", store
    server.kill()
    with closing(open_both(folder / "down.db", server)) as store:
        yield "down", store
    server.restart()


def play_rounds(store: Store, num_sites: int, num_rounds: int) -> FloatArray:
    """Return the seconds that each put took, of shape (rounds, puts a round)."""
    timed = TimedStore(store)
    run = PlayedRun(timed, "bench", num_sites)
    timed.waits_s.clear()
    for round_no in range(num_rounds):
        run.play_round(round_no)
    return np.array(timed.waits_s).reshape(num_rounds, -1)


def quantiles_ms(waits_s: FloatArray) -> list[str]:
    """Return p50, p99 and maximum of one put, and of a round's puts together."""
    figures = [np.quantile(waits, (0.5, 0.99, 1)) for waits in (waits_s, waits_s.sum(axis=1))]
    return [f"{value * 1000:.1f}" for value in np.concatenate(figures)]


def open_both(path: Path, server: SupabaseServer) -> MirroredStore:
    """Open an embedded store whose rows are carried to the server."""
    return MirroredStore(SqliteStore(path), open_supabase(server))


def open_supabase(server: SupabaseServer) -> SupabaseStore:
    """Open the server's tables alone."""
    return SupabaseStore(SupabaseSettings(server.url, server.secret_key))


if __name__ == "__main__":
    main()
