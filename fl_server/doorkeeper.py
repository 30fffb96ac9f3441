"""Tells a running SuperLink which keys to let in, and writes down whom it has refused.

A key that is enrolled, replaced or revoked while a run goes on is so at the next look, twice a second.
"""

import logging
import time
from pathlib import Path

import httpx

from fl_core.errors import KeyFileError, StoreError
from fl_core.keys import format_pem
from fl_server.enrolment import Enrolment, Enrolments
from fl_server.refusals import KeyRefusal, read_handshake_fault, read_key_refusal
from fl_server.superlink import SuperLink
from fl_store.base import Store
from fl_store.rows import EventRow, SiteAccessRow

logger = logging.getLogger(__name__)

REPEAT_AFTER_S = 60.0
MAX_EVENTS = 30
"""In that time: who knocks without end does not fill the store. The SuperLink's log has all."""

Door = tuple[str, str]
"""A site and the fingerprint of its key."""


class Doorkeeper:
    """Stands between the enrolled keys and one run's SuperLink."""

    def __init__(self, link: SuperLink, home: Path, store: Store, run_id: str) -> None:
        self._link = link
        self._enrolments = Enrolments(home)
        self._known: list[Enrolment] = []
        self._store = store
        self._run_id = run_id
        self._nodes: dict[Door, int] = {}
        self._told: dict[str, float] = {}
        self._fault = ""

    def open(self) -> None:
        """Let the enrolled sites in; KeyFileError if an enrolment cannot be read."""
        self._known = list(self._enrolments)
        self._follow()

    def look(self) -> None:
        """Follow what has changed, and tell who was refused; what fails is tried at the next look."""
        fault = ""
        try:
            self._known = list(self._enrolments)
        except KeyFileError as error:  # who was enrolled before stays so, and can be revoked
            fault = str(error)
        try:
            self._follow()
        except (StoreError, httpx.HTTPError) as error:
            fault = str(error)
        if fault and fault != self._fault:
            logger.warning("The sites' keys stay as they were: %s", fault)
        self._fault = fault
        for line in self._link.read_new_log_lines():
            self._take_line(line)

    def _follow(self) -> None:
        shut_out = {row.site for row in self._store.get(SiteAccessRow) if not row.is_allowed}
        wanted = {(each.site, each.fingerprint): each for each in self._known if each.site not in shut_out}
        for door in self._nodes.keys() - wanted.keys():
            self._link.unregister(self._nodes[door])
            del self._nodes[door]  # only now: what failed is tried again
            self._keep(
                "site_cut_off", f"Site '{door[0]}' is cut off: its key is not accepted any more.", door[0]
            )
        for door in wanted.keys() - self._nodes.keys():
            self._nodes[door] = self._link.register(door[0], format_pem(wanted[door].key))

    def _take_line(self, line: str) -> None:
        if refusal := read_key_refusal(line):
            holder, former = self._find_holders(refusal)
            self._tell(refusal.describe(holder, former), holder or former)
        elif fault := read_handshake_fault(line):
            self._tell(fault, None)

    def _find_holders(self, refusal: KeyRefusal) -> tuple[str | None, str | None]:
        """Return the sites that the key is and was enrolled for."""
        holder = next((each.site for each in self._known if each.fingerprint == refusal.key), None)
        former = next((each.site for each in self._known if refusal.key in each.former_keys), None)
        return holder, former

    def _tell(self, text: str, site: str | None) -> None:
        now = time.monotonic()
        self._told = {text: at for text, at in self._told.items() if now - at < REPEAT_AFTER_S}
        if text not in self._told and len(self._told) < MAX_EVENTS:
            self._told[text] = now
            self._keep("site_refused", text, site)

    def _keep(self, kind: str, text: str, site: str | None) -> None:
        try:
            self._store.put([EventRow(kind, text, run_id=self._run_id, site=site)])
        except StoreError as error:
            logger.warning("%s This could not be written down: %s", text, error)
