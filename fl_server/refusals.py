"""Who was refused at the door, and why: what the SuperLink's log says, made into sentences."""

import json
import re
from dataclasses import dataclass

from fl_core.admission import Cause
from fl_core.errors import KeyFileError
from fl_core.keys import fingerprint, parse_public_key_pem

PREFIX = "FEDLUNA-REFUSED "
HANDSHAKE = re.compile(r"Handshake failed with error \w+: error:\w+:SSL routines:OPENSSL_internal:(\w+)")

NO_TLS = "A connection without TLS was refused."
BROKEN_OFF = "A connection was broken off at the other end: it"
HANDSHAKE_FAULTS = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "TLSV1_ALERT_UNKNOWN_CA": f"{BROKEN_OFF} does not trust our authority, its kit is of another one.",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{BROKEN_OFF} finds our certificate expired, or not valid yet.",
    "SSLV3_ALERT_BAD_CERTIFICATE": f"{BROKEN_OFF} called us by a name that our certificate does not cover.",
}


@dataclass(frozen=True)
class KeyRefusal:
    """A refusal of a key, or of none; ``key`` is its fingerprint, ``peer`` the address it came from."""

    cause: Cause
    key: str | None
    peer: str

    def describe(self, holder: str | None, former_holder: str | None) -> str:
        """Say it in one sentence; the key is enrolled for ``holder``, or was for ``former_holder``."""
        who = f"Site '{holder}'" if holder else f"The key {self.key or '(none)'}"
        reason = _REASONS[self.cause]
        if self.cause is Cause.UNKNOWN_KEY and holder:
            reason = "its key is revoked"
        elif self.cause is Cause.UNKNOWN_KEY and former_holder:
            reason = f"site '{former_holder}' has another one now"
        return f"{who} was refused (from {self.peer}): {reason}."


_REASONS = {
    Cause.NO_KEY: "it is a passing one, as a client without a kit makes it",
    Cause.UNKNOWN_KEY: "nobody has enrolled it",
    Cause.KEY_IN_USE: "its key is in use by another connection",
    Cause.CUT_OFF: "its key is not accepted any more",
    Cause.CLOCK: "its clock is over five minutes off",
    Cause.UNSIGNED: "the call was not signed rightly",
}


def read_key_refusal(line: str) -> KeyRefusal | None:
    """Return the refusal that a line of the log tells, or None if it tells something else."""
    if not line.startswith(PREFIX):
        return None
    told = json.loads(line.removeprefix(PREFIX))
    try:
        key = fingerprint(parse_public_key_pem(told["key"].encode()))
    except KeyFileError:
        key = None
    return KeyRefusal(Cause(told["cause"]), key, _address_of(told["peer"]))


def read_handshake_fault(line: str) -> str | None:
    """Return in a sentence why a TLS handshake failed, or None if the line tells something else."""
    found = HANDSHAKE.search(line)
    if found is None:
        return None
    return HANDSHAKE_FAULTS.get(found[1], f"A TLS handshake failed: {found[1]}.")


def _address_of(peer: str) -> str:
    """Return the address in gRPC's ``ipv4:10.0.0.7:50112`` or ``ipv6:%5B::1%5D:50112``, without the port."""
    address = peer.partition(":")[2].rpartition(":")[0]
    return address.replace("%5B", "").replace("%5D", "") or "an unknown address"
