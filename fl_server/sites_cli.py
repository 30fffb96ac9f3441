"""``fl-server sites``: which sites there are, and which may take part."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from fl_core.config import home_folder
from fl_server.export import make_json
from fl_server.people import describe_person, name_terminal_user
from fl_store.base import Store
from fl_store.connect import open_store
from fl_store.rows import SiteAccessRow, SiteRow
from fl_store.site_access import set_site_access
from fl_store.wire import to_json

sites = typer.Typer(help="Which sites there are, and which may take part.", no_args_is_help=True)

KnownSite = Annotated[str, typer.Argument(help="A site that has joined once.")]
ReasonOption = Annotated[
    str | None, typer.Option(help="Why, for those who look later. The site is not told.")
]


@dataclass(frozen=True)
class KnownSiteRows:
    """What there is of a site: what it says of itself, and the last word on whether it may take part."""

    site: SiteRow
    access: SiteAccessRow | None

    @property
    def is_allowed(self) -> bool:
        """Say whether it may take part."""
        return self.access is None or self.access.is_allowed


@sites.command("list")
def list_sites(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show all sites with the FedLuna that they run; the one that joined last is the last."""
    with _open_store() as store:
        found = list(_read_sites(store))
    if as_json:
        typer.echo(make_json([_json_of(each) for each in found]), nl=False)
    elif found:
        Console(markup=False, emoji=False, highlight=False).print(_table_of(found))
    else:
        typer.echo(f"No site has joined yet in {home_folder()}.")


@sites.command("revoke")
def revoke_site(site: KnownSite, reason: ReasonOption = None) -> None:
    """Shut a site out: it gets no task from the next round on, and cannot join any more."""
    _set_access(site, reason, is_allowed=False)
    typer.echo(f"Site '{site}' may not take part from the next round on.")


@sites.command("allow")
def allow_site(site: KnownSite, reason: ReasonOption = None) -> None:
    """Let a site take part again; if its fl-client has ended, it has to be started there."""
    _set_access(site, reason, is_allowed=True)
    typer.echo(f"Site '{site}' may take part.")


def _set_access(site: str, reason: str | None, *, is_allowed: bool) -> None:
    with _open_store() as store:
        who = name_terminal_user()
        set_site_access(store, site, is_allowed=is_allowed, changed_by=who, reason=reason)


def _open_store() -> closing[Store]:
    return closing(open_store(home_folder(), copies_changes=True))


def _read_sites(store: Store) -> Iterator[KnownSiteRows]:
    access = {row.site: row for row in store.get(SiteAccessRow)}
    for row in store.get(SiteRow):
        yield KnownSiteRows(row, access.get(row.site))


def _json_of(found: KnownSiteRows) -> dict[str, object]:
    access = to_json(found.access) if found.access else {}
    return {
        "site": found.site.site,
        "version": found.site.version,
        "joined_at": found.site.joined_at.isoformat(),
        "is_allowed": found.is_allowed,
        **{name: access.get(name) for name in ("changed_by", "changed_at", "reason")},
    }


def _table_of(found: list[KnownSiteRows]) -> Table:
    columns = ("site", "FedLuna", "last joined UTC", "may take part")
    table = Table(*(Column(title, overflow="fold") for title in columns))
    for each in found:
        joined = f"{each.site.joined_at:%Y-%m-%d %H:%M}"
        table.add_row(each.site.site, each.site.version or "-", joined, _describe_access(each))
    return table


def _describe_access(found: KnownSiteRows) -> str:
    if found.access is None:
        return "yes"
    word = "yes" if found.is_allowed else "no"
    who, when = describe_person(found.access.changed_by), f"{found.access.changed_at:%Y-%m-%d %H:%M}"
    return f"{word}, by {who}, {when}" + (f": {found.access.reason}" if found.access.reason else "")
