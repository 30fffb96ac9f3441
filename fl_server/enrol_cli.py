"""``fl-server sites add|kit|rename``: whose key is whose, and the kit that a site is given."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fl_core.config import home_folder
from fl_core.errors import UsageError
from fl_server.kits import KitIssuer
from fl_server.people import describe_person, name_terminal_user
from fl_store.connect import open_store
from fl_store.rows import EventRow, SiteAccessRow

SiteArgument = Annotated[str, typer.Argument(help="Name of a site, such as 'north'.")]
OutOption = Annotated[Path | None, typer.Option(help="The kit's file. (default: SITE.kit here)")]


def add_site(
    site: SiteArgument,
    key: Annotated[Path, typer.Option(help="The public key that `fl-client init` has made there.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="The site has made a new key: the old one is void at once.")
    ] = False,
    out: OutOption = None,
) -> None:
    """Enrol a site by its public key, and write the kit that it starts with."""
    from fl_core.keys import read_public_key

    public_key, issuer = read_public_key(key), KitIssuer.open(home_folder())
    enrolment = issuer.enrolments.add(site, public_key, issuer.expires_at, replaces=replace)
    told = f"Site '{site}' is enrolled with the key {enrolment.fingerprint}"
    _keep_event("site_enrolled", told, site)
    typer.echo(told)
    _write_kit(issuer, site, out)


def write_kit_again(site: SiteArgument, out: OutOption = None) -> None:
    """Write a site's kit anew, good for a year from now; its key stays the same."""
    issuer = KitIssuer.open(home_folder())
    issuer.enrolments.extend(site, issuer.expires_at)
    _write_kit(issuer, site, out)


def rename_site(
    site: SiteArgument,
    new_name: Annotated[str, typer.Argument(help="Its name from now on.")],
    out: OutOption = None,
) -> None:
    """Give a site another name: its key stays, what it did before stays under the old name."""
    issuer = KitIssuer.open(home_folder())
    _check_not_revoked(site)
    issuer.enrolments.rename(site, new_name, issuer.expires_at)
    told = f"Site '{site}' is called '{new_name}' from now on"
    _keep_event("site_renamed", told, new_name)
    typer.echo(f"{told}. There, rename sites/{site} in its FEDLUNA_HOME to sites/{new_name}.")
    _write_kit(issuer, new_name, out)


def _check_not_revoked(site: str) -> None:
    """Raise UsageError for a site that was shut out: under another name it would be let in again."""
    with closing(open_store(home_folder())) as store:
        if any(not row.is_allowed for row in store.get(SiteAccessRow, site=site)):
            raise UsageError(
                f"Site '{site}' is revoked. Let it in again first: `fl-server sites allow {site}`."
            )


def _write_kit(issuer: KitIssuer, site: str, out: Path | None) -> None:
    path = out or Path(f"{site}.kit")
    issuer.write(path, site)
    typer.echo(f"Kit: {path}, good until {issuer.expires_at:%Y-%m-%d}. Send it to the site, which runs")
    typer.echo(f"  fl-client --kit {path.name} --data-root FOLDER")


def _keep_event(kind: str, text: str, site: str) -> None:
    who = describe_person(name_terminal_user())
    with closing(open_store(home_folder(), copies_changes=True)) as store:
        store.put([EventRow(kind, f"{text}, by {who}.", site=site)])
