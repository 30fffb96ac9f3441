"""Writes the kits of sites, with the coordinator's address and certificates."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509

from fl_core.kit import Kit, write_kit
from fl_server.credentials import Credentials
from fl_server.enrolment import Enrolments
from fl_store.rows import utc_now

KIT_DAYS = 365


@dataclass(frozen=True)
class KitIssuer:
    """What a coordinator needs to enrol a site; its kits expire at ``expires_at``."""

    credentials: Credentials
    enrolments: Enrolments
    expires_at: datetime

    @classmethod
    def open(cls, home: Path) -> Self:
        """Read the coordinator's certificates; kits are good for a year, or as long as the authority is."""
        credentials = Credentials.read(home)
        authorities = x509.load_pem_x509_certificates(credentials.authority_pem.encode())
        last_days = [each.not_valid_after_utc for each in authorities]
        expires_at = min([(utc_now() + timedelta(days=KIT_DAYS)).replace(microsecond=0), *last_days])
        return cls(credentials, Enrolments(home), expires_at)

    def write(self, path: Path, site: str) -> None:
        """Write the kit of an enrolled site."""
        kit = Kit(
            site=site,
            server=self.credentials.place.server,
            expires_at=self.expires_at,
            authority=self.credentials.authority_pem,
            certificate=self.credentials.issued.certificate_pem.decode(),
        )
        write_kit(path, kit, self.credentials.key)
