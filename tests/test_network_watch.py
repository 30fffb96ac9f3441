import subprocess
import sys
from pathlib import Path

from tests.conftest import require
from tests.network_watch import DNS_PORT, MACHINE, STRACE, read_addresses, watch

ASK = """
import socket, subprocess, sys
print(socket.gethostname())
child = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"
subprocess.run([sys.executable, "-c", child], check=True)
"""


def test_what_a_child_asks_outside_is_noted(tmp_path: Path) -> None:
    require(STRACE, why="it notes every connection (apt-get install strace)")
    command = [*watch(tmp_path / "trace"), sys.executable, "-c", ASK]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{MACHINE}\n"
    assert read_addresses(tmp_path / "trace") == {("192.0.2.1", DNS_PORT)}
