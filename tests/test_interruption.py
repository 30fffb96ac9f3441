"""Who is asked to end does so cleanly; a second Ctrl-C ends it, and all that it has started, at once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_processes import has_ended_soon

ROOT = Path(__file__).parent.parent
PROGRAM = """
import signal, subprocess, sys, time
from fl_core.interruption import end_when_asked
if sys.argv[1:] == ["nohup"]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
else:
    signal.signal(signal.SIGINT, signal.default_int_handler)
end_when_asked()
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
try:
    print(child.pid, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("ends", flush=True)
    time.sleep(60 if "slowly" in sys.argv else 0.3)
    child.kill()
    print("clean", flush=True)
    sys.exit(130)
"""


class Program:
    """A program with a child, which takes its time to end if it is started as ``slowly``."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.child_pid = int(self.read_line())

    def read_line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str]:
        _, error = self.process.communicate(timeout=30)
        return self.process.returncode, error


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.process.kill()
        program.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_it_cleanly_however_often_it_comes(
    programs: list[Program], number: signal.Signals
) -> None:
    programs.append(program := Program())
    program.process.send_signal(number)
    assert program.read_line() == "ends"
    for later in (signal.SIGTERM, signal.SIGHUP):
        program.process.send_signal(later)
    assert program.read_line() == "clean"
    assert program.end() == (130, "")


def test_second_ctrl_c_ends_it_and_its_children_at_once(programs: list[Program]) -> None:
    programs.append(program := Program("slowly"))
    program.process.send_signal(signal.SIGTERM)
    assert program.read_line() == "ends"
    program.process.send_signal(signal.SIGINT)
    assert program.end() == (130, "")
    assert has_ended_soon(program.child_pid)


def test_program_of_nohup_outlives_its_terminal(programs: list[Program]) -> None:
    programs.append(program := Program("nohup"))
    program.process.send_signal(signal.SIGHUP)
    program.process.send_signal(signal.SIGTERM)
    assert [program.read_line(), program.read_line()] == ["ends", "clean"]
