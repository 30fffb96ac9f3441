"""What people ask of a run while it goes on: to rest, to go on, to end, and to leave out a site.

They write rows, in the monitor or with ``fl-server runs`` and ``sites``; the run looks every two seconds.
"""

import contextlib
from collections.abc import Callable

from fl_core.errors import StoreError
from fl_server.people import SCREENING, describe_person
from fl_server.recorder import Recorder
from fl_store.base import Store
from fl_store.rows import SiteAccessRow
from fl_store.run_rows import RunRequestRow
from fl_store.words import RunRequest, RunState


class RunStoppedError(Exception):
    """Somebody asked for the run to end; that is no fault, and so not in the tree of errors."""


class RunControl:
    """Knows what was asked last, and whom the run leaves out."""

    def __init__(self, store: Store, recorder: Recorder, run_id: str) -> None:
        self._store = store
        self._recorder = recorder
        self._run_id = run_id
        self._seen: set[str] = set()
        self._pause: RunRequestRow | None = None
        self._access: dict[str, SiteAccessRow] | None = None

    @property
    def is_paused(self) -> bool:
        """Say whether the run is to rest before its next round."""
        return self._pause is not None

    def is_allowed(self, site: str) -> bool:
        """Say whether a site may take part; one of which nobody has said anything may."""
        row = (self._access or {}).get(site)
        return row is None or row.is_allowed

    def look(self) -> None:
        """Take in what was asked since the last look; RunStoppedError if it was to end the run."""
        with contextlib.suppress(StoreError):  # the recorder tells it; the next look may go well
            self._take_access(self._store.get(SiteAccessRow))
            self._take_requests(self._store.get(RunRequestRow, run_id=self._run_id))

    def rest_while_paused(self, rest: Callable[[], None]) -> bool:
        """Call ``rest``, which is to look, until the run may go on; say whether it was paused at all."""
        if self._pause is None:
            return False
        before = self._recorder.run_state
        reason = f"Paused by {describe_person(self._pause.requested_by)}."
        self._recorder.keep_run_state(RunState.PAUSED, reason)
        while self.is_paused:
            rest()
        self._recorder.keep_run_state(before)
        return True

    def _take_requests(self, rows: list[RunRequestRow]) -> None:
        """Obey the newest of those that have come, whatever the clocks of the machines they are from say."""
        new = [row for row in rows if row.request_id not in self._seen]
        self._seen.update(row.request_id for row in new)
        if new:
            self._obey(new[-1])

    def _obey(self, asked: RunRequestRow) -> None:
        who = describe_person(asked.requested_by)
        match asked.request:
            case RunRequest.STOP:
                raise RunStoppedError(f"Stopped by {who}.")
            case RunRequest.PAUSE:
                self._pause = asked
                self._recorder.keep_event(
                    "run", f"Pause asked for by {who}: the run rests before its next round."
                )
            case RunRequest.RESUME if self.is_paused:
                self._pause = None
                self._recorder.keep_event("run", f"Resumed by {who}.")

    def _take_access(self, rows: list[SiteAccessRow]) -> None:
        """Tell what has changed since the last look; what the run has found is no change."""
        is_first = self._access is None
        for row in rows:
            is_told = row.changed_by == SCREENING
            if not is_first and not is_told and row.is_allowed != self.is_allowed(row.site):
                self._tell_access(row)
        self._access = {row.site: row for row in rows}

    def _tell_access(self, row: SiteAccessRow) -> None:
        who = describe_person(row.changed_by)
        if row.is_allowed:
            text = f"Site '{row.site}' may take part again: allowed by {who}."
            self._recorder.keep_event("site_allowed", text, row.site)
        else:
            text = f"Site '{row.site}' is left out from now on: revoked by {who}."
            self._recorder.keep_event("site_revoked", text, row.site)
