"""What ``fl-client check`` looks at between this hospital and its coordinator: name, port and clock."""

import ctypes
import socket
from collections.abc import Callable, Iterator

from fl_core.findings import Finding, Level

TIMEOUT_S = 5.0
TIMEX_BYTES = 512
TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the clock right."""


def look_at_server(address: str) -> Iterator[Finding]:
    """Look up the coordinator's name and knock at its port; nothing is said to it."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        text = f"The name {host} is not found: {error.strerror}."
        advice = "Correct `server` in the site's file, or ask the network's administrator about DNS."
        yield Finding("name", Level.FAULT, text, advice)
        return
    yield Finding("name", Level.OK, f"{host} is {found[0][4][0]}.")
    yield _look_at_port(host, int(port))


def _look_at_port(host: str, port: int) -> Finding:
    subject, place = "coordinator", f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return Finding(subject, Level.OK, f"Something listens on {place}.")
    except ConnectionRefusedError:
        advice = "If the coordinator is up, a firewall refuses the port; otherwise look again when it is."
        return Finding(subject, Level.WARNING, f"Nothing listens on {place} at the moment.", advice)
    except OSError as error:
        text = f"{place} cannot be reached: {error.strerror or 'no answer'}."
        return Finding(subject, Level.FAULT, text, f"Let TCP out to {place} through the firewall.")


def look_at_clock(is_kept: Callable[[], bool | None]) -> Finding:
    """Say whether a time service keeps this machine's clock, as the system knows it."""
    match is_kept():
        case True:
            return Finding("clock", Level.OK, "A time service keeps it.")
        case False:
            text = "No time service keeps this machine's clock, as far as the system knows."
            return Finding("clock", Level.WARNING, text, "Set it by NTP: certificates go by the time.")
        case None:
            return Finding("clock", Level.OK, "This system does not tell whether a time service keeps it.")


def is_clock_kept() -> bool | None:
    """Ask the Linux kernel; None on another system."""
    ask = getattr(ctypes.CDLL(None), "adjtimex", None)
    state = ask(ctypes.create_string_buffer(TIMEX_BYTES)) if ask else -1
    return None if state < 0 else state != TIME_ERROR
