"""Starting, watching and ending child processes, and the ports they listen on."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from fl_core.errors import AddressInUseError

GRACE_S = 5.0
MAX_LOG_BYTES = 10_000_000
"""A child's log that is longer than this is moved aside when the child is started anew."""
PARENT_POLL_S = 0.2
PARENT_VARIABLE = "FEDLUNA_PARENT"


def flower_environment(flower_home: Path) -> dict[str, str]:
    """Return the environment of a Flower process: our own tools found, nobody outside called, no secret.

    ``flower_home`` is where Flower keeps its files; two sites on one machine need one each.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "SUPABASE_KEY"}
    return {
        **inherited,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "FLWR_HOME": str(flower_home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
    }


def bound_log(log_file: Path) -> int:
    """Move a log aside that has grown long; returns how many bytes of it are there."""
    num_bytes = log_file.stat().st_size if log_file.exists() else 0
    if num_bytes <= MAX_LOG_BYTES:
        return num_bytes
    log_file.replace(f"{log_file}.1")
    return 0


def start_child(command: Sequence[str], *, log_file: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, so that Ctrl-C reaches it only through us.

    Its output is added to ``log_file``; one that has grown long is kept as ``.1`` and begun anew.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    bound_log(log_file)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**env, PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,
        )


def end_with_parent() -> None:
    """Let this process, of ``start_child``, be told to end once the one that started it has ended in any way.

    Flower's monitor looks for a process of that number, which a killed one keeps until it is waited for.
    """
    parent_pid = int(os.environ[PARENT_VARIABLE])

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_POLL_S)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def ask_to_end(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask children to end, all at once; ``end_child`` of each waits for it."""
    for child in children:
        if child.poll() is None:
            child.terminate()


def end_child(child: subprocess.Popen[bytes], *, grace_s: float = GRACE_S) -> None:
    """Ask the child to end, and after ``grace_s`` make it; nothing that it started lives on."""
    descendants: list[psutil.Process] = []
    if child.poll() is None:
        descendants = psutil.Process(child.pid).children(recursive=True)
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for process in descendants:  # some have left the group
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()


def check_port_is_free(host: str, port: int, *, setting: str) -> None:
    """Raise AddressInUseError, naming the ``setting`` to change, if the address cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressInUseError(
                f"Cannot listen on {host}:{port}: {error.strerror}. "
                f"Stop the program that holds the port, or change {setting}."
            ) from error


def find_free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
