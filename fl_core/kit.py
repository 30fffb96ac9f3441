"""The kit of a site: one file that says where the coordinator is and how to know that it is the right one.

The coordinator writes and signs it, ``fl-client --kit`` reads it. Nothing in it is secret: who a site is says
its own private key, which no kit holds.
"""

import base64
import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from fl_core.config import ServerAddress, SiteName
from fl_core.errors import ConfigError, KitError
from luna16.settings_file import Settings
from luna16.whole_files import write_json

logger = logging.getLogger(__name__)

FORMAT = "fedluna-kit-1"
WARN_BEFORE = timedelta(days=30)

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class _Content(Settings):
    """What is signed, as it stands in the file."""

    format: str
    site: SiteName
    server: ServerAddress
    expires_at: datetime
    authority: str
    certificate: str


@dataclass(frozen=True)
class Kit:
    """What a site needs to find its coordinator; certificates are PEM texts.

    ``authority`` is that of the server's certificates, ``certificate`` the one whose key signed the kit.
    """

    site: str
    server: str
    expires_at: datetime
    authority: str
    certificate: str

    @property
    def host(self) -> str:
        """The coordinator's name, which its certificate must cover."""
        return self.server.rpartition(":")[0]


def write_kit(path: Path, kit: Kit, key: SigningKey) -> None:
    """Write a kit signed by the server's key; KitError if the file cannot be written."""
    content = asdict(kit) | {"format": FORMAT, "expires_at": kit.expires_at.isoformat()}
    signature = base64.b64encode(_sign(_canonical(content), key)).decode()
    try:
        write_json(path, content | {"signature": signature})
    except OSError as error:
        raise KitError(f"Cannot write {path}: {error.strerror}.") from error


def read_kit(path: Path, *, now: datetime | None = None) -> Kit:
    """Read and check a kit; KitError if it is not one, was changed, or has expired."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        signature = base64.b64decode(table.pop("signature"))
        content = _Content.model_validate(table)
        certificate = x509.load_pem_x509_certificate(content.certificate.encode())
    except OSError as error:
        raise KitError(f"Cannot read the kit {path}: {error.strerror}.") from error
    except (ValueError, KeyError, AttributeError, TypeError, ConfigError) as error:
        raise KitError(f"{path} is not a kit, or is damaged; {_ASK}.") from error
    if content.format != FORMAT:
        raise KitError(f"{path} is a kit of another version of FedLuna ({content.format[:40]!r}); {_ASK}.")
    if not _is_signed(_canonical(table), signature, certificate):
        raise KitError(f"{path} is not as the coordinator wrote it: its signature does not fit; {_ASK}.")
    kit = Kit(**content.model_dump(exclude={"format"}))
    if kit.expires_at <= (now or datetime.now(UTC)):
        raise KitError(f"The kit {path} expired on {kit.expires_at:%Y-%m-%d}; {_ASK}.")
    return kit


def warn_if_expiring(what: str, expires_at: datetime, what_to_do: str) -> None:
    """Log a warning in the 30 days before something expires."""
    left = expires_at - datetime.now(UTC)
    if left < WARN_BEFORE:
        logger.warning(
            "%s expires in %d days, on %s. %s", what, left.days, f"{expires_at:%Y-%m-%d}", what_to_do
        )


_ASK = "ask the coordinator for a new one (`fl-server sites kit`)"


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _sign(message: bytes, key: SigningKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def _is_signed(message: bytes, signature: bytes, certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def certificate_fingerprint(pem: str) -> str:
    """Return the SHA-256 of a certificate as people compare it over the telephone: ``AB:CD:...``."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex(":").upper()
