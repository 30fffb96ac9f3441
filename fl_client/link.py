"""How this site reaches its coordinator: where, whom to trust there, and with which key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fl_client.key_file import find_key
from fl_core.config import SiteConfig
from fl_core.errors import ConfigError, KeyFileError, SiteRefusedError
from fl_core.keys import fingerprint
from fl_core.kit import Kit, read_kit, warn_if_expiring
from fl_core.trial import Fault, try_link

AUTHORITY_NAME = "authority.pem"


@dataclass(frozen=True)
class Link:
    """The coordinator's HOST:PORT; with TLS also its authority and the site's private key, as files."""

    server: str
    authority: Path | None = None
    key: Path | None = None
    fingerprint: str = ""

    @classmethod
    def open(cls, config: SiteConfig, folder: Path) -> Self:
        """Take what the site's configuration and folder say; ConfigError if it has no kit and needs one.

        Raises KitError and KeyFileError if these files cannot be used.
        """
        if config.insecure:
            return cls(config.server)
        if config.kit is None:
            raise ConfigError(
                f"Site '{config.site}' has no kit. Give the file that the coordinator has sent, --kit FILE; "
                "or --insecure for trials with a coordinator on this machine."
            )
        kit = read_kit(config.kit)
        path, key = find_key(folder, config.site)
        warn_if_expiring("The kit", kit.expires_at, "Ask the coordinator for a new one.")
        return cls(config.server, _keep_authority(kit, folder), path, fingerprint(key))

    def find_fault(self) -> Fault | None:
        """Say why the coordinator cannot be reached, or is not the right one; None if all is well."""
        return try_link(self.server, self.authority.read_text() if self.authority else None)

    def check(self) -> None:
        """Raise SiteRefusedError if a person has to act; a coordinator that is not there yet is no fault."""
        fault = self.find_fault()
        if fault and fault.is_final:
            raise SiteRefusedError(fault.text)


def _keep_authority(kit: Kit, folder: Path) -> Path:
    path = folder / AUTHORITY_NAME
    partial = folder / f"{AUTHORITY_NAME}.partial"
    try:
        partial.write_text(kit.authority)
        partial.replace(path)
    except OSError as error:
        raise KeyFileError(f"Cannot write {path}: {error.strerror}.") from error
    return path
