"""Each of our commands, asked to end while it still imports what it needs."""

import signal
import subprocess
import sys
from importlib.metadata import EntryPoint, distribution

import pytest

COMMANDS = [each for each in distribution("fedluna").entry_points if each.group == "console_scripts"]
INTERRUPTED_IMPORT = """
import importlib.metadata, os, signal, sys

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name in {"fl_server.cli", "fl_server.demo", "fl_client.cli", "fl_monitor.cli", "luna16.cli"}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.HANDLER)
sys.meta_path.insert(0, Interruption())
sys.argv = ["fedluna", "--help"]
(command,) = importlib.metadata.entry_points(group="console_scripts", name="NAME")
command.load()()
"""


def interrupt(command: EntryPoint, handler: str) -> subprocess.CompletedProcess[str]:
    code = INTERRUPTED_IMPORT.replace("NAME", command.name).replace("HANDLER", handler)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_we_have_five_commands() -> None:
    assert len(COMMANDS) == 5


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_interrupted_import_ends_without_a_word(command: EntryPoint) -> None:
    ended = interrupt(command, "default_int_handler")
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_who_is_to_ignore_it_starts() -> None:
    ended = interrupt(COMMANDS[0], "SIG_IGN")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage" in ended.stdout
