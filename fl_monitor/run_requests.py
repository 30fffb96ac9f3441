"""What a coordinator may ask of a run in the monitor, and how it is asked: the coordinator obeys the rows."""

from collections.abc import Iterable

from fl_monitor.language import gettext as _
from fl_store.base import Store
from fl_store.rows import EventRow, UserRow, utc_now
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.words import Role, RunRequest, RunState

_OBEYED = {
    RunRequest.PAUSE: {RunState.PAUSED},
    RunRequest.RESUME: {RunState.RUNNING, RunState.WAITING},
    RunRequest.STOP: set[RunState](),
}
"""The states, beside the end of the run, that show that a request was obeyed."""


def find_open_request(run: RunRow, requests: Iterable[RunRequestRow]) -> RunRequestRow | None:
    """Return what was last asked of a run, if its state does not show that it was done."""
    asked = [row for row in requests if row.run_id == run.run_id]
    if not asked or run.state.is_over:
        return None
    newest = max(asked, key=lambda row: row.requested_at)
    return None if run.state in _OBEYED[newest.request] else newest


def list_offers(run: RunRow, asked: RunRequestRow | None) -> tuple[RunRequest, ...]:
    """Return what can be asked of a run; a pause that has not begun can be taken back."""
    if run.state.is_over or (asked and asked.request is RunRequest.STOP):
        return ()
    will_rest = asked.request is RunRequest.PAUSE if asked else run.state is RunState.PAUSED
    return (RunRequest.RESUME if will_rest else RunRequest.PAUSE, RunRequest.STOP)


def ask_of_run(store: Store, user: UserRow | None, run_id: str, request: RunRequest) -> str:
    """Write down what a user asks of a run; returns why not, or nothing.

    ``user`` is who the cookie belongs to now: a role may have been taken away since the page was drawn.
    """
    if user is None or user.role is not Role.SERVER:
        return _("Only a coordinator can pause, resume or stop a run. Nothing was asked.")
    found = store.get(RunRow, run_id=run_id)
    asked = find_open_request(found[0], store.get(RunRequestRow, run_id=run_id)) if found else None
    if not found or request not in list_offers(found[0], asked):
        return _("The run has changed meanwhile. Nothing was asked.")
    row = RunRequestRow(run_id, request, requested_by=user.name, requested_at=utc_now())
    text = f"{request.capitalize()} was asked by {user.name}."
    store.put([row, EventRow("run", text, run_id=run_id, user=user.name, occurred_at=row.requested_at)])
    return ""


def offer_text(request: RunRequest) -> str:
    """Return what stands on the button."""
    return {
        RunRequest.PAUSE: _("Pause"),
        RunRequest.RESUME: _("Resume"),
        RunRequest.STOP: _("Stop"),
    }[request]


def asked_text(row: RunRequestRow) -> str:
    """Say what was asked and is not done yet."""
    text = {
        RunRequest.PAUSE: _("Pause asked by {user}: the run rests before its next round."),
        RunRequest.RESUME: _("Resume asked by {user}: the run goes on with its next round."),
        RunRequest.STOP: _("Stop asked by {user}: the run is about to end."),
    }[row.request]
    return text.format(user=row.requested_by)


def asked_words(request: RunRequest) -> str:
    """Return the same in two words, for a table."""
    return {
        RunRequest.PAUSE: _("pause asked"),
        RunRequest.RESUME: _("resume asked"),
        RunRequest.STOP: _("stop asked"),
    }[request]
