"""How this site reaches its coordinator: where, whom to trust there, and with which key."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from fl_client.key_file import find_key
from fl_core.config import SiteConfig
from fl_core.errors import ConfigError, SiteRefusedError
from fl_core.keys import fingerprint
from fl_core.kit import read_kit, warn_if_expiring
from fl_core.trial import Fault, try_link


@dataclass(frozen=True)
class Link:
    """The coordinator's HOST:PORT; with TLS also its authority, a PEM text, and the site's private key."""

    server: str
    authority: str | None = None
    key: Path | None = None
    fingerprint: str = ""
    kit_expires_at: datetime | None = None

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
        return cls(config.server, kit.authority, path, fingerprint(key), kit.expires_at)

    def find_fault(self) -> Fault | None:
        """Say why the coordinator cannot be reached, or is not the right one; None if all is well."""
        return try_link(self.server, self.authority)

    def check(self) -> None:
        """Raise SiteRefusedError if a person has to act; a coordinator that is not there yet is no fault.

        A kit that expires within 30 days is warned of.
        """
        if self.kit_expires_at:
            warn_if_expiring("The kit", self.kit_expires_at, "Ask the coordinator for a new one.")
        fault = self.find_fault()
        if fault and fault.is_final:
            raise SiteRefusedError(fault.text)
