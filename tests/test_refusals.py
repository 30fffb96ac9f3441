import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.admission import Cause
from fl_core.keys import fingerprint, format_pem
from fl_server.refusals import PREFIX, KeyRefusal, read_handshake_fault, read_key_refusal

KEY = ec.derive_private_key(2026, ec.SECP384R1()).public_key()
GRPC = (
    "I1128 06:22:50.065353 2575 ssl_transport_security.cc:2563] Handshake failed with error SSL_ERROR_SSL: "
)


def told(cause: Cause, peer: str = "ipv4:10.0.0.7:50112", key: str | None = None) -> str:
    key = format_pem(KEY).decode() if key is None else key
    return PREFIX + json.dumps({"cause": cause, "key": key, "peer": peer})


@pytest.mark.parametrize(
    ("cause", "holder", "former", "words"),
    [
        (Cause.UNKNOWN_KEY, None, None, "(from 10.0.0.7): nobody has enrolled it."),
        (Cause.UNKNOWN_KEY, "north", None, "Site 'north' was refused (from 10.0.0.7): its key is revoked."),
        (Cause.UNKNOWN_KEY, None, "north", "(from 10.0.0.7): site 'north' has another one now."),
        (Cause.KEY_IN_USE, "north", None, "Site 'north' was refused (from 10.0.0.7): its key is in use"),
        (Cause.CLOCK, "north", None, "its clock is over five minutes off."),
        (Cause.NO_KEY, None, None, "it is a passing one"),
    ],
)
def test_refusal_says_who_whence_and_why(
    cause: Cause, holder: str | None, former: str | None, words: str
) -> None:
    refusal = read_key_refusal(told(cause))
    assert refusal is not None
    assert words in refusal.describe(holder, former)
    assert holder or fingerprint(KEY) in refusal.describe(holder, former)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv6:%5B::1%5D:50112", "::1"),
        ("ipv4:10.0.0.7:1", "10.0.0.7"),
        ("unix:", "an unknown address"),
        ("", "an unknown"),
    ],
)
def test_address_is_told_without_its_port(peer: str, address: str) -> None:
    refusal = read_key_refusal(told(Cause.NO_KEY, peer))
    assert refusal is not None
    assert refusal.peer.startswith(address)


def test_key_that_is_none_is_no_reason_to_stumble() -> None:
    assert read_key_refusal(told(Cause.UNSIGNED, key="-----BEGIN")) == KeyRefusal(
        Cause.UNSIGNED, None, "10.0.0.7"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate",
            "without TLS",
        ),
        (
            "error:10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA",
            "does not trust our authority",
        ),
        (
            "error:10000415:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "certificate expired",
        ),
        ("error:10000412:SSL routines:OPENSSL_internal:SSLV3_ALERT_BAD_CERTIFICATE", "does not cover"),
        ("error:1:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER", "failed: NO_SHARED_CIPHER."),
    ],
)
def test_handshake_that_failed_is_told_in_words(fault: str, words: str) -> None:
    assert words in (read_handshake_fault(GRPC + fault) or "")


def test_other_lines_of_the_log_tell_nothing() -> None:
    line = "INFO :      [Fleet.GetRun] Requesting `Run` for run_id=1"
    assert read_key_refusal(line) is read_handshake_fault(line) is None


def test_exit_code_tells_the_cause_and_no_other_code_does() -> None:
    assert [Cause.of_exit_code(cause.exit_code) for cause in Cause] == list(Cause)
    assert [Cause.of_exit_code(code) for code in (None, 0, 1, 2, 130, -9)] == [None] * 6
