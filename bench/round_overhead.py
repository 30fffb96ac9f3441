"""Seconds a round takes outside training and evaluation, ours beside Flower's own launcher.

Three sites on this machine, the default model (3.6 MB), one after the other in one run. Ours is measured on
the public commands; of each round's time, the slowest site's training and evaluation are taken off. The
stock sites do no work at all. Run: python bench/round_overhead.py [--rounds 6]
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fl_core.config import ServerConfig
from fl_core.processes import end_child, find_free_port, flower_environment, start_child
from fl_server.bundle import build_bundle
from fl_server.superlink import SuperLink
from fl_store.connect import open_store
from fl_store.run_rows import RoundRow, SiteRoundRow

NUM_SITES = 3
COMMANDS = Path(sys.executable).parent
STOCK_BUNDLE = b"""\
[project]
name = "stock"
version = "1.0.0"
[tool.flwr.app]
publisher = "bench"
[tool.flwr.app.components]
serverapp = "stock_app:server"
clientapp = "stock_app:client"
[tool.flwr.app.config]
"""


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    num_rounds = parser.parse_args().rounds
    table = Table(
        "launcher", "rounds", "median s", "min s", "max s", title="Seconds a round outside training"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in (("fedluna", measure_ours), ("stock Flower", measure_stock)):
            seconds = measure(Path(folder) / name.replace(" ", "-"), num_rounds)
            values = (statistics.median(seconds), min(seconds), max(seconds))
            table.add_row(name, str(len(seconds)), *(f"{value:.2f}" for value in values))
    Console().print(table)


def measure_ours(folder: Path, num_rounds: int) -> list[float]:
    """Return the overhead of each round but the first, through fl-server and fl-client."""
    environment = os.environ | {"FEDLUNA_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    scans = folder / "scans"
    sizes = ("--sites", str(NUM_SITES), "--scans-per-site", "2")
    subprocess.run([COMMANDS / "luna16", "phantom", scans, *sizes], check=True, capture_output=True)
    config = ServerConfig(fleet_port=find_free_port(), control_port=find_free_port(), insecure=True)
    settings = folder / "run.toml"
    settings.write_text(
        f"[federation]\nrounds = {num_rounds}\nmin_sites = {NUM_SITES}\n[training]\nepochs = 1\n"
        f"[server]\nfleet_port = {config.fleet_port}\ncontrol_port = {config.control_port}\n"
    )
    with contextlib.ExitStack() as children:
        for number in range(NUM_SITES):
            command = [str(COMMANDS / "fl-client"), "--site", f"site-{number}", "--insecure"]
            command += [
                "--subset",
                str(number),
                "--server",
                f"127.0.0.1:{config.fleet_port}",
                "--data-root",
                str(scans),
            ]
            child = start_child(command, log_file=folder / f"site-{number}.log", env=environment)
            children.callback(end_child, child)
        server = [COMMANDS / "fl-server", "--config", settings, "--insecure"]
        subprocess.run(server, env=environment, check=True, capture_output=True)
    return list(_overheads(folder / "home"))[1:]


def _overheads(home: Path) -> Iterator[float]:
    with contextlib.closing(open_store(home)) as store:
        for row in store.get(RoundRow):
            parts = store.get(SiteRoundRow, round_no=row.round_no)
            work_s = max(part.train_s or 0 for part in parts) + max(part.evaluate_s or 0 for part in parts)
            assert row.ended_at
            yield (row.ended_at - row.started_at).total_seconds() - work_s


def measure_stock(folder: Path, num_rounds: int) -> list[float]:
    """Return the time of each round but the first, through Flower's SuperLink and SuperNodes as they come."""
    config = ServerConfig(fleet_port=find_free_port(), control_port=find_free_port(), insecure=True)
    times = folder / "times.json"
    variables = {
        "PYTHONPATH": str(Path(__file__).parent),
        "STOCK_ROUNDS": str(num_rounds),
        "STOCK_SITES": str(NUM_SITES),
        "STOCK_TIMES": str(times),
        "OMP_NUM_THREADS": "1",
    }
    with contextlib.ExitStack() as children:
        link = children.enter_context(SuperLink.start(config, folder, variables))
        for number in range(NUM_SITES):
            command = ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{config.fleet_port}"]
            command += ["--host", "127.0.0.1", "--port", str(find_free_port())]
            environment = flower_environment(folder / f"site-{number}") | variables
            child = start_child(command, log_file=folder / f"site-{number}.log", env=environment)
            children.callback(end_child, child)
        link.submit(build_bundle(STOCK_BUNDLE))
        while not link.is_run_finished():
            time.sleep(0.5)
    seconds: list[float] = json.loads(times.read_text())
    return seconds[1:]


if __name__ == "__main__":
    main()
