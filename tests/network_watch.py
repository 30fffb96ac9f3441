"""Notes every address that a process, and all that it starts, asks the network for."""

import re
from pathlib import Path

STRACE = Path("/usr/bin/strace")
MACHINE = "somebodys-machine"
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?"([0-9a-f.:]+)"')
DNS_PORT = 53

Address = tuple[str, int]


def watch(trace: Path) -> list[str]:
    """Return the command that starts another one, on a machine called MACHINE, and notes it in ``trace``."""
    rename = f'echo {MACHINE} > /proc/sys/kernel/hostname && exec "$@"'
    calls = "trace=connect,bind,sendto,sendmsg,sendmmsg"
    strace = [str(STRACE), "-D", "-f", "--seccomp-bpf", "-s", "0", "-e", "signal=none", "-e", calls]
    return ["unshare", "--map-root-user", "--uts", "sh", "-c", rename, "sh", *strace, "-o", str(trace)]


def read_addresses(trace: Path) -> set[Address]:
    """Return every IP address and port that was asked for, to connect, to send or to be reached at."""
    return {(ip, int(port)) for port, ip in ADDRESS.findall(trace.read_text())}
