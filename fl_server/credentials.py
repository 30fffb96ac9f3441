"""What the coordinator shows to the sites, in ``<home>/tls``: its certificate, key, authority and address."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fl_core.config import HOST_NAME_PATTERN, ServerAddress
from fl_core.errors import ConfigError, KeyFileError
from fl_core.keys import check_private, read_file, write_private
from fl_core.kit import SigningKey
from fl_server.certificates import Issued, check_covers, issue_server_certificate, make_authority
from luna16.settings_file import Settings

FOLDER = "tls"
AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca.key"
CERTIFICATE, KEY = "server.pem", "server.key"
PLACE = "address.json"
RENEW = "Renew it with `fl-server init --renew`, or put the organisation's new one in its place."


class Place(Settings):
    """Where sites find the coordinator: the address that stands in their kits, and its other names."""

    server: ServerAddress
    other_hosts: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The name that sites use."""
        return self.server.rpartition(":")[0]


@dataclass(frozen=True)
class Credentials:
    """The coordinator's own certificates, read and checked."""

    folder: Path
    place: Place
    authority_pem: str
    issued: Issued

    @property
    def key(self) -> SigningKey:
        """The server's private key, which also signs kits."""
        return self.issued.key

    @property
    def expires_at(self) -> datetime:
        """When the server certificate expires."""
        return self.issued.certificate.not_valid_after_utc

    @classmethod
    def read(cls, home: Path) -> "Credentials":
        """Read what ``fl-server init`` has made; KeyFileError if it is missing, not private, or expired."""
        folder = home / FOLDER
        if not has_credentials(home):
            raise KeyFileError(
                f"There are no certificates in {folder}. Make them with `fl-server init --host NAME`, "
                "or try things out on this machine alone with --insecure."
            )
        check_private(folder / KEY)
        authority, chain = read_file(folder / AUTHORITY), read_file(folder / CERTIFICATE)
        issued = Issued.parse(chain, read_file(folder / KEY), source=f"{folder / CERTIFICATE} and {KEY}")
        place, expires_at = _read_place(folder), issued.certificate.not_valid_after_utc
        if expires_at <= datetime.now(UTC):
            raise KeyFileError(f"{folder / CERTIFICATE} expired on {expires_at:%Y-%m-%d}. {RENEW}")
        check_covers(chain, authority, place.host)
        return cls(folder, place, authority.decode(), issued)


def has_credentials(home: Path) -> bool:
    """Say whether ``fl-server init`` has been run for this folder."""
    return (home / FOLDER / PLACE).is_file()


def make_credentials(home: Path, hosts: Sequence[str], port: int) -> Credentials:
    """Make an authority and a server certificate for these hosts; KeyFileError if there are some already."""
    folder = _new_folder(home)
    _check_hosts(hosts)
    authority = make_authority()
    write_private(folder / AUTHORITY_KEY, authority.key_pem)
    write_private(folder / AUTHORITY, authority.certificate_pem)
    _write_issued(folder, issue_server_certificate(authority, hosts))
    _write_place(folder, hosts, port)
    return Credentials.read(home)


def take_credentials(
    home: Path, hosts: Sequence[str], port: int, *, chain: Path, key: Path, authority: Path
) -> Credentials:
    """Copy an organisation's own certificate, key and authority; KeyFileError unless they fit together."""
    folder = _new_folder(home)
    _check_hosts(hosts)
    check_private(key)
    chain_pem, key_pem, authority_pem = read_file(chain), read_file(key), read_file(authority)
    Issued.parse(chain_pem, key_pem, source=f"{chain} and {key}")
    for host in hosts:
        check_covers(chain_pem, authority_pem, host)
    write_private(folder / KEY, key_pem)
    write_private(folder / CERTIFICATE, chain_pem)
    write_private(folder / AUTHORITY, authority_pem)
    _write_place(folder, hosts, port)
    return Credentials.read(home)


def renew_certificate(home: Path) -> Credentials:
    """Issue a new server certificate for the same hosts: kits stay good, as the authority stays the same."""
    folder = home / FOLDER
    if not (folder / AUTHORITY_KEY).is_file():
        raise KeyFileError(
            f"There is no authority of our own in {folder}: give the organisation's new certificate with "
            "--cert, --key and --ca, after moving the old folder away."
        )
    check_private(folder / AUTHORITY_KEY)
    pair = read_file(folder / AUTHORITY), read_file(folder / AUTHORITY_KEY)
    authority = Issued.parse(*pair, source=f"{folder / AUTHORITY} and {AUTHORITY_KEY}")
    place = _read_place(folder)
    _write_issued(folder, issue_server_certificate(authority, (place.host, *place.other_hosts)))
    return Credentials.read(home)


def _new_folder(home: Path) -> Path:
    folder = home / FOLDER
    if has_credentials(home):
        raise KeyFileError(
            f"There are certificates in {folder} already. `fl-server init --renew` makes a new server "
            "certificate that all kits accept; to begin anew, move the folder away: every kit is void then."
        )
    return folder


def _read_place(folder: Path) -> Place:
    try:
        return Place.model_validate_json(read_file(folder / PLACE))
    except ValueError as error:
        raise KeyFileError(f"{folder / PLACE} is damaged: {PLACE} holds the server's HOST:PORT.") from error


def _check_hosts(hosts: Sequence[str]) -> None:
    for host in hosts:
        if not re.fullmatch(HOST_NAME_PATTERN, host):
            raise ConfigError(f"--host is {host[:60]!r}, expected a name or an IPv4 address without a port.")


def _write_issued(folder: Path, issued: Issued) -> None:
    write_private(folder / KEY, issued.key_pem)
    write_private(folder / CERTIFICATE, issued.certificate_pem)


def _write_place(folder: Path, hosts: Sequence[str], port: int) -> None:
    """Write last what says that the rest is there."""
    place = Place(server=f"{hosts[0]}:{port}", other_hosts=tuple(hosts[1:]))
    write_private(folder / PLACE, place.model_dump_json(indent=2).encode())
