"""A trial of the link: whether the coordinator answers, and is the one that it should be.

gRPC tells a failed connection late and in its own words. This asks the same questions beforehand, with one
sentence for each answer, and says at the other end in a TLS alert what was wrong.
"""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from fl_core import proxies

TIMEOUT_S = 5.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How every HTTP/2 connection begins, with an empty SETTINGS frame (RFC 9113, 3.4)."""
SETTINGS_FRAME = 4

TRUST_CODES = {2, 18, 19, 20, 21}  # X509_V_ERR_...: an issuer that we do not know, in OpenSSL's numbers
TIME_FAULTS = {9: "is not valid yet", 10: "has expired"}
NAME_CODES = {62, 64}


@dataclass(frozen=True)
class Fault:
    """Why there is no link; ``is_final`` if waiting does not help, so that a person has to act."""

    text: str
    is_final: bool


def try_link(address: str, authority: str | None, *, name: str | None = None) -> Fault | None:
    """Return None if a coordinator answers at ``address`` (HOST:PORT), or else what is wrong.

    ``authority`` is the PEM text of the certificates to trust; None expects a link without TLS. ``name`` is
    what the certificate must cover, by default the address's host. Raises ConfigError if a proxy is set
    wrongly.
    """
    host, _, port = address.rpartition(":")
    try:
        with proxies.connect(host, int(port), timeout_s=TIMEOUT_S) as connection:
            if authority is None:
                return _try_plain(connection, address)
            return _try_tls(connection, address, authority, name or host)
    except OSError as error:
        return Fault(error.strerror or "no answer", is_final=False)


def find_expiry(address: str, authority: str) -> datetime:
    """Return when the certificate of the coordinator at ``address`` expires; OSError if there is no link."""
    host, _, port = address.rpartition(":")
    with (
        proxies.connect(host, int(port), timeout_s=TIMEOUT_S) as connection,
        _make_context(authority).wrap_socket(connection, server_hostname=host) as link,
    ):
        certificate = link.getpeercert() or {}
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _make_context(authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority)
    context.set_alpn_protocols(["h2"])
    # In TLS 1.3 the other end could not read why we refuse it; the link itself uses 1.3.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _try_tls(connection: socket.socket, address: str, authority: str, name: str) -> Fault | None:
    try:
        _make_context(authority).wrap_socket(connection, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        return Fault(_describe(error, address, name), is_final=True)
    except ssl.SSLError as error:
        if error.reason != "WRONG_VERSION_NUMBER":
            return Fault(f"the TLS handshake failed: {error.reason}", is_final=False)
        return Fault(f"{address} answers without TLS. Ask who runs the coordinator.", is_final=True)
    return None


def _describe(error: ssl.SSLCertVerificationError, address: str, name: str) -> str:
    if error.verify_code in TRUST_CODES:
        return (
            f"{address} shows a certificate of another authority than the kit's: the kit is for another "
            "coordinator, or somebody stands in between. Ask for a new kit."
        )
    if error.verify_code in TIME_FAULTS:
        fault = TIME_FAULTS[error.verify_code]
        return (
            f"The certificate of {address} {fault}, by this machine's clock. "
            "Ask the coordinator to renew it (`fl-server init --renew`)."
        )
    if error.verify_code in NAME_CODES:
        return (
            f"The certificate of {address} does not cover the name '{name}'. "
            "Use the name in the kit, or ask the coordinator for a certificate with this one."
        )
    return f"The certificate of {address} is not accepted: {error.verify_message}."


def _try_plain(connection: socket.socket, address: str) -> Fault | None:
    connection.settimeout(TIMEOUT_S)
    connection.sendall(PREFACE)
    answer = connection.recv(9)  # empty if it hangs up, as one with TLS does; one that stands still is silent
    if len(answer) > 3 and answer[3] == SETTINGS_FRAME:
        return None
    return Fault(f"{address} does not answer without TLS. Give the site's kit: --kit FILE.", is_final=True)
