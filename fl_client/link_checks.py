"""What ``fl-client check`` looks at between this hospital and its coordinator: way, door and clock."""

import ctypes
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import grpc
from flwr.client.grpc_rere_client.node_auth_client_interceptor import NodeAuthClientInterceptor

from fl_client.link import Link
from fl_core.admission import LOOK_METHOD, Look
from fl_core.errors import ConfigError
from fl_core.findings import Finding, Level
from fl_core.keys import PrivateKey, fingerprint, read_private_key
from fl_core.kit import WARN_BEFORE
from fl_core.proxies import find_proxy
from fl_core.trial import find_expiry
from fl_core.versions import SAME, find_versions

TIMEOUT_S = 5.0
TIMEX_BYTES = 512
TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the clock right."""
SKEW_REFUSED_S = 300.0
"""A signature that is further off is refused."""
SKEW_WISHED_S = 60.0


def look_at_link(link: Link) -> Iterator[Finding]:
    """Go the way to the coordinator step by step, as far as it leads, and look in at its door.

    Nothing is joined; who is not enrolled learns the coordinator's time, and no more.
    """
    if link.kit_expires_at:
        text = f"It is good until {link.kit_expires_at:%Y-%m-%d}."
        yield _judge_expiry("kit", text, link.kit_expires_at, "Ask the coordinator for a new one.")
    for finding in _look_at_way(link.server):
        yield finding
        if finding.level is not Level.OK:
            return
    fault = link.find_fault()
    if fault:
        level = Level.FAULT if fault.is_final else Level.WARNING
        yield Finding.of_fault("coordinator", fault.text[:1].upper() + fault.text[1:], level)
        return
    yield Finding("coordinator", Level.OK, f"It answers at {link.server}, and is the one that it should be.")
    if link.authority and link.key:
        yield from _look_in(link.server, link.authority, read_private_key(link.key))


def _look_at_way(address: str) -> Iterator[Finding]:
    """Look for a proxy, the name and the port; nothing is said to who listens there."""
    host, _, port = address.rpartition(":")
    try:
        proxy = find_proxy(host)
    except ConfigError as error:
        yield Finding.of_fault("proxy", error)
        return
    if proxy:
        yield Finding("proxy", Level.OK, f"The way leads through {proxy[0]}:{proxy[1]}.")
    yield from _look_at_address(*(proxy or (host, int(port))))


def _look_at_address(host: str, port: int) -> Iterator[Finding]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        text = f"The name {host} is not found: {error.strerror}."
        advice = "Correct `server` in the site's file, or ask the network's administrator about DNS."
        yield Finding("name", Level.FAULT, text, advice)
        return
    if (number := found[0][4][0]) != host:
        yield Finding("name", Level.OK, f"{host} is {number}.")
    yield _look_at_port(host, port)


def _look_at_port(host: str, port: int) -> Finding:
    subject, place = "port", f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return Finding(subject, Level.OK, f"Something listens on {place}.")
    except ConnectionRefusedError:
        advice = "If the coordinator is up, a firewall refuses the port; otherwise look again when it is."
        return Finding(subject, Level.WARNING, f"Nothing listens on {place} at the moment.", advice)
    except OSError as error:
        text = f"{place} cannot be reached: {error.strerror or 'no answer'}."
        return Finding(subject, Level.FAULT, text, f"Let TCP out to {place} through the firewall.")


def _look_in(server: str, authority: str, key: PrivateKey) -> Iterator[Finding]:
    try:
        expires_at = find_expiry(server, authority)
        look, skew_s = _ask(server, authority, key)
    except (OSError, grpc.RpcError, ValueError):
        advice = "Use the same FedLuna at both ends; a proxy or firewall may also break HTTP/2."
        yield Finding("door", Level.FAULT, "The coordinator does not answer who only looks.", advice)
        return
    text = f"The coordinator's is good until {expires_at:%Y-%m-%d}."
    yield _judge_expiry("certificate", text, expires_at, "Ask the coordinator to renew it.")
    yield _judge_skew(skew_s)
    yield _judge_key(fingerprint(key.public_key()), is_enrolled=look.is_enrolled)
    if look.versions:
        yield _judge_versions(look.versions)


def _ask(server: str, authority: str, key: PrivateKey) -> tuple[Look, float]:
    """Return what the coordinator says, and how far its clock is ahead, in seconds."""
    signed = NodeAuthClientInterceptor(key, key.public_key())
    with grpc.secure_channel(server, grpc.ssl_channel_credentials(authority.encode())) as channel:
        ask = grpc.intercept_channel(channel, signed).unary_unary(LOOK_METHOD)
        began_s = time.time()
        look = Look.from_bytes(ask(b"", timeout=TIMEOUT_S))
        return look, look.time_s - (began_s + time.time()) / 2


def _judge_expiry(subject: str, text: str, expires_at: datetime, advice: str) -> Finding:
    if expires_at - datetime.now(UTC) < WARN_BEFORE:
        return Finding(subject, Level.WARNING, text, advice)
    return Finding(subject, Level.OK, text)


def _judge_skew(skew_s: float) -> Finding:
    subject, advice = "time", "Set this machine's clock by NTP, or tell who runs the coordinator."
    text = f"The coordinator's clock is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}."
    if abs(skew_s) > SKEW_REFUSED_S:
        return Finding(subject, Level.FAULT, text, f"{advice} Over five minutes the key is refused.")
    if abs(skew_s) > SKEW_WISHED_S:
        return Finding(subject, Level.WARNING, text, advice)
    return Finding(subject, Level.OK, "The clocks agree.")


def _judge_key(name: str, *, is_enrolled: bool) -> Finding:
    if is_enrolled:
        return Finding("enrolment", Level.OK, f"The coordinator knows the key {name}.")
    text = f"The coordinator does not know the key {name}: it is not enrolled, or revoked."
    return Finding("enrolment", Level.FAULT, text, "Send the public key that `fl-client init` has made.")


def _judge_versions(theirs: dict[str, str]) -> Finding:
    """Hold the coordinator's programs against ours."""
    subject, ours = "versions", find_versions()
    apart = [name for name in ours if theirs.get(name) != ours[name]]
    if not apart:
        return Finding(subject, Level.OK, "The coordinator has the same.")
    what = ", ".join(f"{name} {theirs.get(name, '(none)')} (here {ours[name]})" for name in apart)
    level = Level.FAULT if set(apart) & set(SAME) else Level.WARNING
    return Finding(subject, level, f"The coordinator has {what}.", "Install the same FedLuna at both ends.")


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
