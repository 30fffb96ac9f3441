"""The Account page: the logins under one's own name, so that others' attempts are noticed."""

from collections.abc import Sequence

from fl_monitor.blocks import Block, Cell, Column, Header, Page, Part, Table
from fl_monitor.language import gettext as _
from fl_monitor.roles import role_text
from fl_monitor.views.activity import address_text
from fl_monitor.views.seen import Seen
from fl_store.rows import LoginAttemptRow

LOGINS_SHOWN = 10


def make(seen: Seen) -> Page:
    """Say who one is here, and list the last logins."""
    viewer = seen.viewer
    own = tuple(row for row in seen.snapshot.table(LoginAttemptRow) if row.user == viewer.name)
    role = role_text(viewer.role)
    text = f"{viewer.name} · {role} · {viewer.site}" if viewer.site else f"{viewer.name} · {role}"
    return Page(Header(_("Account"), text=text), (Part((own[-LOGINS_SHOWN:],), _logins),))


def _logins(attempts: Sequence[LoginAttemptRow]) -> list[Block]:
    return [
        Table(
            "own-logins",
            _("Last logins under your name"),
            columns=(Column(_("Time")), Column(_("Address")), Column(_("Outcome"))),
            lines=tuple(_line(row) for row in reversed(attempts)),
            empty=_("No login is known."),
            note=_("If one of these was not you, change your password and tell the coordinator."),
        )
    ]


def _line(row: LoginAttemptRow) -> tuple[Cell | str, ...]:
    outcome = Cell(_("accepted"), tone="good") if row.is_accepted else Cell(_("refused"), tone="bad")
    return Cell("", at=row.attempted_at), address_text(row.address), outcome
