"""The Activity page: logins, uploads, sites that come or are refused, downloads, and all other events."""

from collections.abc import Sequence

from fl_monitor.blocks import Block, Cell, Column, Header, Page, Part, Table
from fl_monitor.event_words import DOWNLOAD, is_of_sites, kind_text, tone_of
from fl_monitor.language import gettext as _
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH, size_text
from fl_store.base import RowT
from fl_store.rows import EventRow, LoginAttemptRow, UploadRow
from fl_store.words import UploadState

LINES_SHOWN = 100

UPLOAD_TONES = {
    UploadState.UPLOADING: "busy",
    UploadState.RUNNING: "busy",
    UploadState.DONE: "good",
    UploadState.FAILED: "bad",
}


def make(seen: Seen) -> Page:
    """Put what happened into lists, the newest first."""
    events = seen.snapshot.table(EventRow)
    of_sites = tuple(event for event in events if is_of_sites(event.kind))
    downloads = tuple(event for event in events if event.kind == DOWNLOAD)
    kind = seen.params.get("kind", "")
    text = (
        _("Everything, as it happens.")
        if not seen.viewer.is_client
        else _("What concerns you and your site.")
    )
    return Page(
        Header(_("Activity"), text=text),
        (
            Part((seen.snapshot.table(LoginAttemptRow),), _logins),
            Part((of_sites,), _sites),
            Part((seen.snapshot.table(UploadRow),), _uploads),
            Part((choose_events(events, kind), kind), _others),
            Part((downloads,), _downloads),
        ),
    )


def choose_events(events: Sequence[EventRow], kind: str) -> tuple[EventRow, ...]:
    """Return the events of one kind, or else those that no other list of the page has."""
    if kind:
        return tuple(event for event in events if event.kind == kind)
    return tuple(event for event in events if not is_of_sites(event.kind) and event.kind != DOWNLOAD)


def _logins(attempts: Sequence[LoginAttemptRow]) -> list[Block]:
    columns = (Column(_("Time")), Column(_("User")), Column(_("Address")), Column(_("Outcome")))
    return [
        Table(
            "logins",
            _("Logins"),
            columns=columns,
            lines=tuple(_login_line(row) for row in _newest_first(attempts)),
            empty=_("Nobody has tried to sign in yet."),
            width=3,
        )
    ]


def _login_line(row: LoginAttemptRow) -> tuple[Cell | str, ...]:
    outcome = Cell(_("accepted"), tone="good") if row.is_accepted else Cell(_("refused"), tone="bad")
    return Cell("", at=row.attempted_at), row.user or _("unknown name"), address_text(row.address), outcome


def address_text(address: str | None) -> str:
    """Return where a login came from; the monitor's own machine has no address."""
    return address or _("this machine")


def _sites(events: Sequence[EventRow]) -> list[Block]:
    return [
        Table(
            "enrolments",
            _("Sites that come and go"),
            columns=(Column(_("Time")), Column(_("Event")), Column(_("What happened"))),
            lines=tuple(_event_line(event) for event in _newest_first(events)),
            empty=_("No site has come yet."),
            width=3,
        )
    ]


def _event_line(event: EventRow) -> tuple[Cell | str, ...]:
    return (
        Cell("", at=event.occurred_at),
        Cell(kind_text(event.kind), tone=tone_of(event.kind)),
        Cell(event.text),
    )


def _uploads(uploads: Sequence[UploadRow]) -> list[Block]:
    return [
        Table(
            "uploads",
            _("Uploads"),
            columns=(
                Column(_("User")),
                Column(_("Scan")),
                Column(_("Size"), is_number=True),
                Column(_("Received"), is_number=True),
                Column(_("State")),
                Column(_("Reason")),
                Column(_("Last change")),
            ),
            lines=tuple(_upload_line(row) for row in _newest_first(uploads)),
            empty=_("No scan has been uploaded yet."),
        )
    ]


def _upload_line(row: UploadRow) -> tuple[Cell | str, ...]:
    return (
        row.user,
        row.label,
        size_text(row.num_bytes),
        received_text(row),
        Cell(upload_state_text(row.state), tone=UPLOAD_TONES.get(row.state, "calm")),
        Cell(row.reason or DASH),
        Cell("", at=row.changed_at, is_age=True),
    )


def received_text(row: UploadRow) -> str:
    """Say how much of a scan has come, in percent and bytes."""
    share = 100 * row.num_bytes_received // row.num_bytes if row.num_bytes else 100
    return _("{received} of {total}, {percent} %").format(
        percent=share, received=size_text(row.num_bytes_received), total=size_text(row.num_bytes)
    )


def upload_state_text(state: UploadState) -> str:
    """Return the word for where an upload is."""
    return {
        UploadState.UPLOADING: _("uploading"),
        UploadState.WAITING: _("waiting"),
        UploadState.RUNNING: _("being searched"),
        UploadState.DONE: _("done"),
        UploadState.FAILED: _("failed"),
        UploadState.CANCELLED: _("cancelled"),
        UploadState.DELETED: _("deleted"),
    }[state]


def _others(events: Sequence[EventRow], kind: str) -> list[Block]:
    return [
        Table(
            "others",
            kind_text(kind) if kind else _("Everything else"),
            columns=(Column(_("Time")), Column(_("Event")), Column(_("What happened")), Column(_("User"))),
            lines=tuple((*_event_line(event), event.user or DASH) for event in _newest_first(events)),
            empty=_("No event of this kind yet.") if kind else _("Nothing else has happened yet."),
            width=4,
        )
    ]


def _downloads(events: Sequence[EventRow]) -> list[Block]:
    return [
        Table(
            "downloads",
            _("Downloads"),
            columns=(Column(_("Time")), Column(_("User")), Column(_("What"))),
            lines=tuple(
                (Cell("", at=event.occurred_at), event.user or DASH, Cell(event.text))
                for event in _newest_first(events)
            ),
            empty=_("Nothing has been downloaded yet."),
            width=2,
        )
    ]


def _newest_first(rows: Sequence[RowT]) -> list[RowT]:
    return list(reversed(rows))[:LINES_SHOWN]
