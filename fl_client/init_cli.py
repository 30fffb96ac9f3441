"""``fl-client init``: the key by which the coordinator will know this site."""

from typing import Annotated

import typer

from fl_core.config import check_site_name, home_folder


def init(
    site: Annotated[str, typer.Option(help="Name of this hospital, such as 'north'.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new key in place of the one that is there.")
    ] = False,
) -> None:
    """Make this site's key. The private half stays here; send the public one to the coordinator."""
    from fl_client.key_file import find_public_key_file, make_key
    from fl_core.keys import fingerprint, format_public_key

    folder = home_folder() / "sites" / check_site_name(site)
    key = make_key(folder, site, replaces=replace)
    typer.echo(format_public_key(key, site))
    typer.echo(f"Fingerprint  {fingerprint(key)}")
    typer.echo(f"Public key   {find_public_key_file(folder, site)} (send this to the coordinator)")
