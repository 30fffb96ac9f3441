"""Seconds from a kill -9 in the middle of training to the end of the next round, beside undisturbed rounds.

Two sites on this machine, both needed in every round, in one long run over phantom scans. The coordinator's
command and a site's are started again at once, as a service is; all else comes back by itself.
Run: python -m bench.recovery [--times 5]
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from fl_store.rows import utc_now
from fl_store.run_rows import RoundRow, SiteRoundRow
from tests.integration.test_federation import COMMANDS, Workplace, is_eventually

SITES = ("north", "south")
EPOCHS = 15
WAIT_S = 600
UNDISTURBED = "none"


@dataclass
class Federation(Workplace):
    """A coordinator and two sites, of which single processes can be killed."""

    commands: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def begin(self) -> None:
        """Start all, and return once a round is over."""
        self.commands["server"] = self.start_server(rounds=100_000, epochs=EPOCHS)
        for site in SITES:
            self.commands[site] = self.start_site(site, SITES.index(site))
        self.wait_for_end_after(utc_now())

    def wait_for_end_after(self, moment: datetime) -> RoundRow:
        """Return the first round that ends after this moment."""
        assert is_eventually(lambda: bool(self._ended_after(moment)), WAIT_S), "No round has ended."
        return self._ended_after(moment)[0]

    def _ended_after(self, moment: datetime) -> list[RoundRow]:
        return [row for row in self.rows(RoundRow) if row.ended_at and row.ended_at > moment]

    def wait_for_middle_of_training(self) -> float:
        """Return in the middle of the training of the next round, with the seconds of the one before."""
        one = self.wait_for_end_after(utc_now())
        train_s = max(part.train_s or 0.0 for part in self.rows(SiteRoundRow, round_no=one.round_no))
        assert is_eventually(lambda: bool(self.rows(RoundRow, round_no=one.round_no + 1)), WAIT_S)
        time.sleep(train_s / 2)
        assert one.ended_at
        return (one.ended_at - one.started_at).total_seconds()

    def kill(self, program: str, parent: str) -> None:
        """Kill the process of this program among the descendants of a command."""
        started = psutil.Process(self.commands[parent].pid).children(recursive=True)
        (found,) = [process for process in started if any(program in part for part in process.cmdline()[:3])]
        found.kill()

    def restart_server(self) -> None:
        """Kill the coordinator's command and start it again."""
        self._kill_command("server")
        self.commands["server"] = self.start("fl-server", "--config", str(self.folder / "run.toml"))

    def restart_site(self) -> None:
        """Kill a site, whose SuperNode ends with it, and start it again."""
        self._kill_command("north")
        self.commands["north"] = self.start_site("north", 0)

    def _kill_command(self, name: str) -> None:
        self.commands[name].kill()
        self.commands[name].wait()


STRIKES: dict[str, Callable[[Federation], None]] = {
    "ServerApp": lambda place: place.kill("flwr-serverapp", "server"),
    "SuperLink": lambda place: place.kill("fl_server.guarded_superlink", "server"),
    "fl-server, started again": Federation.restart_server,
    "fl-client, started again": Federation.restart_site,
    "SuperNode of a site": lambda place: place.kill("fl_client.prompt_supernode", "north"),
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="how often each is killed")
    num_times = parser.parse_args().times
    seconds: dict[str, list[float]] = {name: [] for name in (UNDISTURBED, *STRIKES)}
    with hold() as place:
        for _ in range(num_times):
            for name, strike in STRIKES.items():
                seconds[UNDISTURBED].append(place.wait_for_middle_of_training())
                struck_at = utc_now()
                strike(place)
                ended_at = place.wait_for_end_after(struck_at).ended_at
                assert ended_at
                seconds[name].append((ended_at - struck_at).total_seconds())
    show(seconds)


def show(seconds: dict[str, list[float]]) -> None:
    """Print a line for each."""
    table = Table(
        "killed", "times", "median s", "min s", "max s", title="Seconds to the end of the next round"
    )
    for name, values in seconds.items():
        shown = (statistics.median(values), min(values), max(values))
        table.add_row(name, str(len(values)), *(f"{value:.1f}" for value in shown))
    Console().print(table)


@contextmanager
def hold() -> Iterator[Federation]:
    """Start a federation, and end whatever belongs to it."""
    with tempfile.TemporaryDirectory() as name:
        scans = Path(name) / "scans"
        phantom = [str(COMMANDS / "luna16"), "phantom", str(scans), "--sites", "2", "--scans-per-site", "3"]
        subprocess.run(phantom, check=True, capture_output=True)
        place = Federation(Path(name), scans)
        try:
            place.begin()
            yield place
        finally:
            for process in place.processes():
                process.kill()
            for started in place.started:
                started.wait()


if __name__ == "__main__":
    main()
