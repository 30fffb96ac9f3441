"""``fl-server sites``: which sites there are, whose keys are enrolled, and which may take part."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from fl_core.config import home_folder
from fl_core.errors import UsageError
from fl_server.enrol_cli import add_site, rename_site, write_kit_again
from fl_server.enrolment import Enrolment, Enrolments
from fl_server.export import make_json
from fl_server.people import describe_person, name_terminal_user
from fl_store.base import Store
from fl_store.connect import open_store
from fl_store.rows import SiteAccessRow, SiteRow
from fl_store.site_access import keep_site_access, set_site_access
from fl_store.wire import to_json

sites = typer.Typer(help="Which sites there are, and which may take part.", no_args_is_help=True)

sites.command("add")(add_site)
sites.command("kit")(write_kit_again)
sites.command("rename")(rename_site)

KnownSiteArgument = Annotated[str, typer.Argument(help="A site that is enrolled, or has joined once.")]
ReasonOption = Annotated[
    str | None, typer.Option(help="Why, for those who look later. The site is not told.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@dataclass(frozen=True)
class KnownSite:
    """What there is of a site: its key, what it says of itself, and whether it may take part."""

    name: str
    enrolment: Enrolment | None
    joined: SiteRow | None
    access: SiteAccessRow | None

    @property
    def is_allowed(self) -> bool:
        """Say whether it may take part."""
        return self.access is None or self.access.is_allowed


@sites.command("list")
def list_sites(as_json: JsonOption = False) -> None:
    """Show all sites with the FedLuna that they run; those that have joined last are the last."""
    found = _read_sites()
    if as_json:
        typer.echo(make_json([_json_of(each) for each in found]), nl=False)
    elif found:
        Console(markup=False, emoji=False, highlight=False).print(_table_of(found))
    else:
        typer.echo(f"No site is enrolled or has joined yet in {home_folder()}.")


@sites.command("show")
def show_site(site: KnownSiteArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of one site: its key, its kit, and its former keys."""
    found = next((each for each in _read_sites() if each.name == site), None)
    if found is None:
        raise UsageError(f"There is no site {site[:40]!r}. `fl-server sites list` shows all.")
    if as_json:
        typer.echo(make_json(_json_of(found)), nl=False)
        return
    for title, text in _lines_of(found):
        typer.echo(f"{title:<14} {text}")


@sites.command("revoke")
def revoke_site(site: KnownSiteArgument, reason: ReasonOption = None) -> None:
    """Shut a site out at once, in a running round too: its key is accepted no more, its update left out."""
    _set_access(site, reason, is_allowed=False)
    typer.echo(f"Site '{site}' may not take part from now on.")


@sites.command("allow")
def allow_site(site: KnownSiteArgument, reason: ReasonOption = None) -> None:
    """Let a site take part again; if its fl-client has ended, it has to be started there."""
    _set_access(site, reason, is_allowed=True)
    typer.echo(f"Site '{site}' may take part.")


def _set_access(site: str, reason: str | None, *, is_allowed: bool) -> None:
    is_enrolled = any(each.site == site for each in Enrolments(home_folder()))
    with _open_store() as store:
        set_access = keep_site_access if is_enrolled else set_site_access  # an enrolled site may yet join
        set_access(store, site, is_allowed=is_allowed, changed_by=name_terminal_user(), reason=reason)


def _open_store() -> closing[Store]:
    return closing(open_store(home_folder(), copies_changes=True))


def _read_sites() -> list[KnownSite]:
    """Return the sites that are only enrolled, then those that have joined, the newest last."""
    with _open_store() as store:
        access = {row.site: row for row in store.get(SiteAccessRow)}
        joined = {row.site: row for row in store.get(SiteRow)}
    enrolled = {each.site: each for each in Enrolments(home_folder())}
    names = [*(name for name in enrolled if name not in joined), *joined]
    return [KnownSite(name, enrolled.get(name), joined.get(name), access.get(name)) for name in names]


def _json_of(found: KnownSite) -> dict[str, object]:
    access = to_json(found.access) if found.access else {}
    key, row = found.enrolment, found.joined
    return {
        "site": found.name,
        "version": row.version if row else None,
        "joined_at": row.joined_at.isoformat() if row else None,
        "key": key.fingerprint if key else None,
        "kit_expires_at": key.kit_expires_at.isoformat() if key else None,
        "is_allowed": found.is_allowed,
        **{name: access.get(name) for name in ("changed_by", "changed_at", "reason")},
    }


def _table_of(found: list[KnownSite]) -> Table:
    columns = ("site", "FedLuna", "last joined UTC", "kit until", "may take part")
    table = Table(*(Column(title, overflow="fold") for title in columns))
    for each in found:
        version = each.joined.version if each.joined else None
        until = f"{each.enrolment.kit_expires_at:%Y-%m-%d}" if each.enrolment else "no key"
        table.add_row(each.name, version or "-", _describe_joining(each), until, _describe_access(each))
    return table


def _lines_of(found: KnownSite) -> Iterator[tuple[str, str]]:
    yield "site", found.name
    yield "may take part", _describe_access(found)
    yield "last joined", _describe_joining(found)
    if key := found.enrolment:
        yield "key", key.fingerprint
        yield "enrolled", f"{key.enrolled_at:%Y-%m-%d %H:%M} UTC"
        yield "kit until", f"{key.kit_expires_at:%Y-%m-%d}"
        for former in key.former_keys:
            yield "former key", former


def _describe_joining(found: KnownSite) -> str:
    return f"{found.joined.joined_at:%Y-%m-%d %H:%M}" if found.joined else "-"


def _describe_access(found: KnownSite) -> str:
    if found.access is None:
        return "yes"
    word = "yes" if found.is_allowed else "no"
    who, when = describe_person(found.access.changed_by), f"{found.access.changed_at:%Y-%m-%d %H:%M}"
    return f"{word}, by {who}, {when}" + (f": {found.access.reason}" if found.access.reason else "")
