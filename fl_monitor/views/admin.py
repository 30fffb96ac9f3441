"""The Admin page, for coordinators: the users, who is signed in, or the sites, as its address says."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fl_monitor.auth import is_live
from fl_monitor.blocks import Block, Cell, Column, Header, Page, Part, Table
from fl_monitor.language import gettext as _
from fl_monitor.roles import role_text
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH
from fl_store.rows import SessionRow, SiteAccessRow, SiteRow, UserRow

USERS, SESSIONS, SITES, HEALTH = "users", "sessions", "sites", "health"


def make(seen: Seen) -> Page:
    """Put the part of the page that was asked for into a table."""
    part = seen.params.get("part", USERS)
    return Page(Header(_("Admin")), _PARTS[part](seen) if part in _PARTS else ())


def _users_part(seen: Seen) -> tuple[Part, ...]:
    return (Part((seen.snapshot.table(UserRow),), _users),)


def _sessions_part(seen: Seen) -> tuple[Part, ...]:
    users = {user.name: user for user in seen.snapshot.table(UserRow)}
    found = seen.snapshot.table(SessionRow)
    live = tuple(row for row in found if is_live(row, users.get(row.user), seen.snapshot.read_at))
    return (Part((live,), _sessions),)


def _sites_part(seen: Seen) -> tuple[Part, ...]:
    return (Part((seen.snapshot.table(SiteRow), seen.snapshot.table(SiteAccessRow)), _sites),)


_PARTS: Mapping[str, Callable[[Seen], tuple[Part, ...]]] = {
    USERS: _users_part,
    SESSIONS: _sessions_part,
    SITES: _sites_part,
}


def _users(users: Sequence[UserRow]) -> list[Block]:
    return [
        Table(
            "users",
            _("Users"),
            columns=(
                Column(_("User")),
                Column(_("Role")),
                Column(_("Site")),
                Column(_("May sign in")),
                Column(_("Last changed")),
                Column(_("Added")),
            ),
            lines=tuple(map(_user_line, sorted(users, key=lambda user: user.name))),
        )
    ]


def _user_line(user: UserRow) -> tuple[Cell | str, ...]:
    return (
        user.name,
        role_text(user.role),
        user.site or DASH,
        Cell(_("no, disabled"), tone="bad") if user.is_disabled else Cell(_("yes"), tone="good"),
        Cell("", at=user.changed_at),
        Cell("", at=user.created_at),
    )


def _sessions(live: Sequence[SessionRow]) -> list[Block]:
    return [
        Table(
            "sessions",
            _("Signed in"),
            columns=(
                Column(_("User")),
                Column(_("Since")),
                Column(_("Last active")),
                Column(_("Ends at the latest")),
            ),
            lines=tuple(
                (
                    row.user,
                    Cell("", at=row.created_at),
                    Cell("", at=row.seen_at, is_age=True),
                    Cell("", at=row.expires_at),
                )
                for row in reversed(live)
            ),
            empty=_("Nobody is signed in."),
            note=_("A session ends half an hour after its user was last active."),
        )
    ]


def _sites(sites: Sequence[SiteRow], access: Sequence[SiteAccessRow]) -> list[Block]:
    known = {row.site: row for row in sites}
    rules = {row.site: row for row in access}
    names = sorted({*known, *rules})
    return [
        Table(
            "access",
            _("Sites"),
            columns=(
                Column(_("Site")),
                Column(_("May take part")),
                Column(_("Decided by")),
                Column(_("Decided")),
                Column(_("Reason")),
                Column(_("Last joined")),
            ),
            lines=tuple(_site_line(name, known.get(name), rules.get(name)) for name in names),
            empty=_("No site has come yet."),
            note=_("A site may take part until a coordinator shuts it out."),
        )
    ]


def _site_line(name: str, site: SiteRow | None, rule: SiteAccessRow | None) -> tuple[Cell | str, ...]:
    is_allowed = rule is None or rule.is_allowed
    return (
        name,
        Cell(_("yes"), tone="good") if is_allowed else Cell(_("no, shut out"), tone="bad"),
        rule.changed_by if rule else DASH,
        _at(rule.changed_at if rule else None),
        Cell((rule.reason if rule else None) or DASH),
        _at(site.joined_at if site else None),
    )


def _at(time: datetime | None) -> Cell | str:
    return Cell("", at=time) if time else DASH
