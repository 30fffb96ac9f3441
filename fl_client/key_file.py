"""The site's own key pair: made here, kept here, and shown to the coordinator by signing only."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.errors import KeyFileError, UsageError
from fl_core.keys import PublicKey, format_public_key, read_private_key, write_private

KEY_NAME = "key"
OPENSSH = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.OpenSSH,
    serialization.NoEncryption(),
)


def find_public_key_file(folder: Path, site: str) -> Path:
    """Return where a site's public key lies, to be sent to the coordinator."""
    return folder / f"{site}.pub"


def make_key(folder: Path, site: str, *, replaces: bool) -> PublicKey:
    """Make a site's key pair; UsageError if there is one and ``replaces`` is false.

    A key that is replaced is kept beside the new one, so that it can be put back.
    """
    path = folder / KEY_NAME
    if path.exists():
        if not replaces:
            raise UsageError(
                f"Site '{site}' has a key already: {path}. To make another give --replace; "
                "the coordinator then has to enrol the new one."
            )
        _set_aside(path)
    key = ec.generate_private_key(ec.SECP384R1())
    write_private(path, key.private_bytes(*OPENSSH))
    write_public_key(folder, site, key.public_key())
    return key.public_key()


def write_public_key(folder: Path, site: str, key: PublicKey) -> None:
    """Write the file that is sent to the coordinator."""
    try:
        find_public_key_file(folder, site).write_text(format_public_key(key, site) + "\n", encoding="utf-8")
    except OSError as error:
        raise KeyFileError(f"Cannot write the public key to {folder}: {error.strerror}.") from error


def find_key(folder: Path, site: str) -> tuple[Path, PublicKey]:
    """Return the file of a site's private key and its public half; KeyFileError if it cannot be used."""
    path = folder / KEY_NAME
    if not path.exists():
        raise KeyFileError(
            f"Site '{site}' has no key in {folder}. Make it with `fl-client init --site {site}` and send "
            "the public key to the coordinator."
        )
    return path, read_private_key(path).public_key()


def _set_aside(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}-until-{datetime.now(UTC):%Y%m%d-%H%M%S}"))
