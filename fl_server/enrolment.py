"""Which keys are enrolled, and for which site: one file a site in ``<home>/enrolled``.

This folder alone says whose key is whose; nothing that arrives over the network writes to it.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fl_core.config import SiteName, check_site_name
from fl_core.errors import KeyFileError, UsageError
from fl_core.keys import PublicKey, fingerprint, format_public_key, parse_public_key
from fl_store.rows import utc_now
from luna16.settings_file import Settings
from luna16.whole_files import write_whole

FOLDER = "enrolled"


class Enrolment(Settings):
    """A site, its public key, and when its kit expires; ``former_keys`` are fingerprints."""

    site: SiteName
    public_key: str
    enrolled_at: datetime
    kit_expires_at: datetime
    former_keys: tuple[str, ...] = ()

    @property
    def key(self) -> PublicKey:
        """The site's public key."""
        return parse_public_key(self.public_key.encode(), source=f"The enrolment of '{self.site}'")

    @property
    def fingerprint(self) -> str:
        """The short name of the key."""
        return fingerprint(self.key)


class Enrolments:
    """The enrolled sites of one coordinator."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def __iter__(self) -> Iterator[Enrolment]:
        """Yield every enrolment, in the order of names."""
        for path in sorted(self._folder.glob("*.json")):
            yield self._read(path)

    def find(self, site: str) -> Enrolment:
        """Return a site's enrolment; UsageError if it has none."""
        path = self._path(check_site_name(site))
        if not path.is_file():
            raise UsageError(
                f"Site '{site}' is not enrolled. `fl-server sites list` shows all; "
                f"`fl-server sites add {site} --key FILE` enrols it."
            )
        return self._read(path)

    def add(self, site: str, key: PublicKey, kit_expires_at: datetime, *, replaces: bool) -> Enrolment:
        """Enrol a site's key; UsageError if it has another that is not to be replaced, or is another's."""
        check_site_name(site)
        known = {each.site: each for each in self}
        mine, new = known.get(site), fingerprint(key)
        holder = next((each.site for each in known.values() if each.fingerprint == new), None)
        if holder not in {None, site}:
            raise UsageError(f"This key is that of site '{holder}'. Each site needs a key of its own.")
        if mine and mine.fingerprint != new and not replaces:
            raise UsageError(
                f"Site '{site}' has another key already ({mine.fingerprint}). "
                "If the site has made a new one, give --replace: the old key is void at once."
            )
        former = mine.former_keys if mine else ()
        if mine and mine.fingerprint != new:
            former = (*former, mine.fingerprint)
        enrolment = Enrolment(
            site=site,
            public_key=format_public_key(key),
            enrolled_at=utc_now(),
            kit_expires_at=kit_expires_at,
            former_keys=former,
        )
        self._write(enrolment)
        return enrolment

    def extend(self, site: str, kit_expires_at: datetime) -> Enrolment:
        """Note that a site has a new kit."""
        enrolment = self.find(site).model_copy(update={"kit_expires_at": kit_expires_at})
        self._write(enrolment)
        return enrolment

    def rename(self, site: str, new_name: str, kit_expires_at: datetime) -> Enrolment:
        """Let a site's key stand for another name from now on; UsageError if that name is taken."""
        old = self.find(site)
        if self._path(check_site_name(new_name)).exists():
            raise UsageError(f"There is a site '{new_name}' already. Choose another name.")
        enrolment = old.model_copy(update={"site": new_name, "kit_expires_at": kit_expires_at})
        self._write(enrolment)
        self._path(site).unlink()
        return enrolment

    def _path(self, site: str) -> Path:
        return self._folder / f"{site}.json"

    def _read(self, path: Path) -> Enrolment:
        try:
            enrolment = Enrolment.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise KeyFileError(f"{path} cannot be read as an enrolment. Enrol the site anew.") from error
        if enrolment.site != path.stem:
            raise KeyFileError(f"{path} is the enrolment of site '{enrolment.site}'. Enrol the site anew.")
        return enrolment

    def _write(self, enrolment: Enrolment) -> None:
        path = self._path(enrolment.site)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, enrolment.model_dump_json(indent=2))
        except OSError as error:
            raise KeyFileError(f"Cannot write {path}: {error.strerror}.") from error
