"""One small federation of real processes, of which one is killed, frozen or ended at a chosen moment."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RoundRow, RunRow
from fl_store.words import RunState
from tests.integration.fault_cells import Cell, Fault, Phase, Target
from tests.integration.test_federation import Workplace, is_eventually

STAGES = Path(__file__).parent.parent / "stages"
NUM_ROUNDS = 3
FROZEN_S = 30
PAUSE_S = 1
"""Before a service is started again, as systemd has it."""
STAGE_TIMEOUT_S = 240
STOP_TIMEOUT_S = 60
END_TIMEOUT_S = 300
NUM_LINES_TOLD = 25

AT_THE_SITE = {Phase.TRAINING, Phase.REPLYING}
SIGNALS = {
    Fault.KILL: signal.SIGKILL,
    Fault.FREEZE: signal.SIGSTOP,
    Fault.TERMINATE: signal.SIGTERM,
}
PROGRAMS = {
    Target.SERVER_APP: "flwr-serverapp",
    Target.SUPERLINK: "fl_server.guarded_superlink",
    Target.SUPERNODE: "fl_client.prompt_supernode",
}
INTERRUPTED = 130
UNDISTURBED = "undisturbed.safetensors"


@dataclass
class Federation(Workplace):
    """A coordinator with the sites north, at which the faults of sites happen, and south.

    ``prepared`` is what sites have on disk: to cut their patches in each federation anew would take longest.
    """

    prepared: Path = field(kw_only=True)
    phase: Phase | None = None
    commands: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def temporary(self) -> Path:
        """Where all its processes keep what is to be gone at the end."""
        return self.folder / "tmp"

    @property
    def run_folder(self) -> Path:
        (run,) = self.rows(RunRow)
        return self.home / "runs" / run.run_id

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        variables = {"TMPDIR": self.temporary, "TORCHINDUCTOR_CACHE_DIR": self.folder / "torch"}
        if self.phase and (self.phase in AT_THE_SITE) == ("north" in command):
            paths = [str(STAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
            variables |= {"PYTHONPATH": os.pathsep.join(paths)}
            variables |= {"FEDLUNA_STAGE": self.phase, "FEDLUNA_STAGE_FOLDER": self.folder}
        return super().start(
            *command, watch=("env", *(f"{name}={value}" for name, value in variables.items())), **options
        )

    def begin(self) -> None:
        """Start a coordinator and two sites."""
        self.temporary.mkdir(parents=True)
        shutil.copytree(self.prepared, self.home / "sites")
        self.commands["server"] = self.start_server(rounds=NUM_ROUNDS)
        self.begin_site("north")
        self.begin_site("south")

    def begin_site(self, name: str) -> None:
        """Start a site, again if it has been there."""
        self.commands[name] = self.start_site(name, ["north", "south"].index(name))

    def wait_for_stage(self) -> None:
        """Return once a process lingers where it is to be struck."""
        server, reached = self.commands["server"], self.folder / "reached"
        is_eventually(lambda: reached.exists() or server.poll() is not None, STAGE_TIMEOUT_S)
        assert reached.exists(), f"The run never came to {self.phase}."

    def go_on(self) -> None:
        """Let the process that lingers go on, if it still can."""
        (self.folder / "go").touch()

    def find(self, target: Target) -> list[psutil.Process]:
        """Return the processes of a target, once they are there."""
        assert is_eventually(lambda: bool(self._find(target)), STAGE_TIMEOUT_S), f"There is no {target}."
        return self._find(target)

    def _find(self, target: Target) -> list[psutil.Process]:
        match target:
            case Target.LAUNCHER:
                return [psutil.Process(self.commands["server"].pid)]
            case Target.WORKER:
                return [psutil.Process(self.commands["north"].pid)]
            case Target.SITE:
                node = self._find(Target.SUPERNODE)
                return [*self._find(Target.WORKER), *node] if node else []
            case Target.SUPERNODE:
                own = psutil.Process(self.commands["north"].pid).children()
                return [process for process in own if is_running(process, PROGRAMS[target])]
            case _:
                return [process for process in self.processes() if is_running(process, PROGRAMS[target])]

    def bring_back(self, cell: Cell) -> None:
        """Start again what does not come back by itself, as whoever runs it would."""
        name = {Target.LAUNCHER: "server", Target.WORKER: "north", Target.SITE: "north"}.get(cell.target)
        if name is None:
            return
        code = self.commands[name].wait(STOP_TIMEOUT_S)
        assert code == (-signal.SIGKILL if cell.fault is Fault.KILL else INTERRUPTED), (
            f"{name} ended with {code}"
        )
        time.sleep(PAUSE_S)
        if name == "north":
            self.begin_site("north")
        elif cell.fault is Fault.KILL:
            self.commands["server"] = self.start_server(rounds=NUM_ROUNDS)
        else:
            self.resume(RunState.STOPPED)

    def resume(self, state: RunState, *options: str) -> None:
        """Go on with the run, which has ended in this state."""
        (run,) = self.rows(RunRow)
        assert run.state is state, f"The run is {run.state}, expected {state}."
        self.commands["server"] = self.start("fl-server", "--resume", run.run_id, *options)

    def list_left_behind(self) -> list[str]:
        """Name what should not be there any more: processes, half-written files, temporary files."""
        is_eventually(lambda: not self.processes())
        files = [*self.home.rglob("*.partial"), *self.temporary.iterdir()]
        return [*map(str, self.processes()), *(str(path.relative_to(self.folder)) for path in files)]

    @contextmanager
    def told_on_failure(self) -> Iterator[None]:
        """Add to an error what the processes have said."""
        try:
            yield
        except Exception as error:
            error.add_note(self.tell())
            raise

    def tell(self) -> str:
        """Return the end of every log, and the events."""
        logs = [*self.folder.rglob("*.log"), *self.folder.rglob("*.jsonl")]
        told = [f"--- {log.relative_to(self.folder)}\n{_read_end(log)}" for log in logs]
        with suppress(Exception):  # the store may be what is broken
            told += [f"{event.occurred_at:%H:%M:%S} {event.text}" for event in self.rows(EventRow)]
        return "\n".join(told)


@dataclass(frozen=True)
class Outcome:
    """A federation that has ended, how its processes did, what they left behind, and when it was struck."""

    federation: Federation
    exit_codes: dict[str, int]
    left_behind: list[str]
    struck_at: datetime

    def measure_recovery_s(self) -> float:
        """Return the seconds from the fault to the end of the round that was the next to end."""
        ends = [row.ended_at for row in self.federation.rows(RoundRow) if row.ended_at]
        return min((end - self.struck_at).total_seconds() for end in ends if end > self.struck_at)

    @contextmanager
    def told_on_failure(self) -> Iterator[None]:
        """Add to an error what the processes have said."""
        with self.federation.told_on_failure():
            yield


def run_cell(cell: Cell, federation: Federation) -> Outcome:
    """Hold a run in which the fault of this cell happens."""
    federation.phase = cell.phase
    with hold(federation):
        federation.wait_for_stage()
        victims = federation.find(cell.target)
        struck_at = utc_now()
        strike(federation, victims, cell.fault)
        if cell.fault is not Fault.FREEZE:
            federation.bring_back(cell)
        return end(federation, struck_at)


def run_undisturbed(federation: Federation) -> Outcome:
    """Hold a run without a fault, keep its model as ``UNDISTURBED``, and give it one more round."""
    with hold(federation):
        assert federation.commands["server"].wait(END_TIMEOUT_S) == 0
        shutil.copy(federation.run_folder / "last.safetensors", federation.folder / UNDISTURBED)
        federation.resume(RunState.FINISHED, "--rounds", "+1")
        return end(federation, utc_now())


def end(federation: Federation, struck_at: datetime) -> Outcome:
    """Wait for the end of the run, and end the sites as a service is ended."""
    codes = {"server": federation.commands["server"].wait(END_TIMEOUT_S)}
    sites = {name: federation.commands[name] for name in ("north", "south")}
    for site in sites.values():
        site.terminate()
    codes |= {name: site.wait(STOP_TIMEOUT_S) for name, site in sites.items()}
    return Outcome(federation, codes, federation.list_left_behind(), struck_at)


@contextmanager
def hold(federation: Federation) -> Iterator[None]:
    """Start a federation; its processes end here, whatever happens."""
    federation.begin()
    try:
        with federation.told_on_failure():
            yield
    finally:
        for process in federation.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for started in federation.started:
            started.wait()


def strike(federation: Federation, victims: list[psutil.Process], fault: Fault) -> None:
    """Do it; whoever lingers goes on, save who is dead or frozen."""
    for victim in victims:
        victim.send_signal(SIGNALS[fault])
    federation.go_on()
    if fault is Fault.FREEZE:
        time.sleep(FROZEN_S)
        for victim in victims:
            with suppress(psutil.NoSuchProcess):  # somebody may have lost patience
                victim.resume()


def is_running(process: psutil.Process, program: str) -> bool:
    try:
        return any(program in part for part in process.cmdline()[:3])
    except psutil.Error:
        return False


def _read_end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-NUM_LINES_TOLD:])
