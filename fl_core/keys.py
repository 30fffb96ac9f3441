"""The key that says who a site is: an elliptic curve P-384, in the form of ``ssh-keygen -t ecdsa -b 384``."""

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.errors import KeyFileError
from luna16.whole_files import write_whole

OPENSSH = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
PEM = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
EXPECTED = "expected an elliptic-curve key as `fl-client init` makes it (ecdsa-sha2-nistp384)"

PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey


def read_public_key(path: Path) -> PublicKey:
    """Read a ``.pub`` file; KeyFileError if there is no P-384 key in it."""
    return parse_public_key(read_file(path), source=str(path))


def parse_public_key(line: bytes, *, source: str) -> PublicKey:
    """Return the key of a line such as ``ecdsa-sha2-nistp384 AAAA... north``."""
    try:
        key = serialization.load_ssh_public_key(line)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{source} holds no public key; {EXPECTED}.") from error
    if not isinstance(key, PublicKey) or not isinstance(key.curve, ec.SECP384R1):
        kind = line.split(maxsplit=1)[0].decode(errors="replace")[:40]
        raise KeyFileError(f"{source} holds a key of the kind {kind}; {EXPECTED}.")
    return key


def parse_public_key_pem(pem: bytes) -> PublicKey:
    """Return the key in the form in which Flower sends it; KeyFileError if it is of another kind."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("This is no public key in PEM form.") from error
    if not isinstance(key, PublicKey):
        raise KeyFileError(f"This is no elliptic-curve key; {EXPECTED}.")
    return key


def format_pem(key: PublicKey) -> bytes:
    """Return a public key in the form in which Flower keeps it."""
    return key.public_bytes(*PEM)


def read_private_key(path: Path) -> PrivateKey:
    """Read a site's private key; KeyFileError if others may read it too, or it is of another kind."""
    check_private(path)
    try:
        key = serialization.load_ssh_private_key(read_file(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"{path} holds no private key that can be read without a password; {EXPECTED}."
        ) from error
    if not isinstance(key, PrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise KeyFileError(f"{path} holds a key of another kind; {EXPECTED}.")
    return key


def format_public_key(key: PublicKey, comment: str = "") -> str:
    """Return the key as one line, as in a ``.pub`` file."""
    return f"{key.public_bytes(*OPENSSH).decode()} {comment}".rstrip()


def fingerprint(key: PublicKey) -> str:
    """Return the short name of a key, the same that ``ssh-keygen -l`` shows: ``SHA256:...``."""
    digest = hashlib.sha256(base64.b64decode(key.public_bytes(*OPENSSH).split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def read_file(path: Path) -> bytes:
    """Return what is in a key or certificate file; KeyFileError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"Cannot read {path}: {error.strerror}.") from error


def check_private(path: Path) -> None:
    """Raise KeyFileError if another user of this machine may read or change a private file."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise KeyFileError(f"Cannot read {path}: {error.strerror}.") from error
    if mode & 0o077:
        raise KeyFileError(
            f"Others on this machine may read the private key {path} (mode {mode:o}). "
            f"Take that away with `chmod 600 {path}`, and make a new key if somebody may have seen it."
        )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, in a folder that is also private."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        write_whole(path, content, mode=0o600)
    except OSError as error:
        raise KeyFileError(f"Cannot write {path}: {error.strerror}.") from error
