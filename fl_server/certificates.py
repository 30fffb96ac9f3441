"""The coordinator's certificates: a small authority of its own, and the server certificate it issues."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from fl_core.errors import KeyFileError
from fl_core.kit import SigningKey

AUTHORITY_DAYS = 3650
SERVER_DAYS = 398
"""The most that browsers and other programs accept of a server certificate."""
LOCAL_NAMES = ("localhost", "127.0.0.1")
CLOCK_LEEWAY = timedelta(hours=1)
PEM = serialization.Encoding.PEM
KEY_FORM = PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


@dataclass(frozen=True)
class Issued:
    """A certificate with the private key that belongs to it."""

    certificate: x509.Certificate
    key: SigningKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a PEM file holds it."""
        return self.certificate.public_bytes(PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as a PEM file holds it, without a password."""
        return self.key.private_bytes(*KEY_FORM)

    @classmethod
    def parse(cls, certificate: bytes, key: bytes, *, source: str) -> Self:
        """Read a PEM certificate (the first of a chain) and its key; KeyFileError if the two do not fit."""
        try:
            leaf = x509.load_pem_x509_certificate(certificate)
            private = serialization.load_pem_private_key(key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileError(
                f"{source} are not a certificate and a private key without password, both PEM."
            ) from error
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise KeyFileError(f"{source}: the private key is neither RSA nor of an elliptic curve.")
        if private.public_key() != leaf.public_key():
            raise KeyFileError(f"{source}: the private key does not belong to the certificate.")
        return cls(leaf, private)


def make_authority() -> Issued:
    """Make an authority whose only work is to issue server certificates of one coordinator."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name("FedLuna coordinator")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _begin(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA384()), key)


def issue_server_certificate(authority: Issued, hosts: Sequence[str], *, days: int = SERVER_DAYS) -> Issued:
    """Issue a certificate for these names and addresses, and for this machine by its own names."""
    key = ec.generate_private_key(ec.SECP384R1())
    names = [_general_name(host) for host in dict.fromkeys((*hosts, *LOCAL_NAMES))]
    issuer = authority.certificate
    authority_key = issuer.public_key()
    assert isinstance(authority_key, ec.EllipticCurvePublicKey)  # noqa: S101 - we have made it
    builder = (
        _begin(_name(hosts[0]), issuer.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key), critical=False)
    )
    return Issued(builder.sign(authority.key, hashes.SHA384()), key)


def check_covers(chain: bytes, authority: bytes, host: str) -> None:
    """Raise KeyFileError unless the chain leads from the authority to ``host``, and is valid now."""
    try:
        leaf, *others = x509.load_pem_x509_certificates(chain)
        store = Store(x509.load_pem_x509_certificates(authority))
        PolicyBuilder().store(store).build_server_verifier(_general_name(host)).verify(leaf, others)
    except (ValueError, VerificationError) as error:
        raise KeyFileError(
            f"The certificate does not hold for '{host}' under this authority: {error}. "
            "Give --cert with the whole chain, --ca with its root, and --host with a name that it covers."
        ) from error


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_LEEWAY)  # a site's clock may be behind
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
