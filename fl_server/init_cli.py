"""``fl-server init``: the certificates that the coordinator shows to the sites."""

from pathlib import Path
from typing import Annotated

import typer

from fl_core.config import home_folder
from fl_core.errors import ConfigError

CertOption = Annotated[Path | None, typer.Option(help="The organisation's certificate with its chain, PEM.")]
KeyOption = Annotated[Path | None, typer.Option(help="The private key of that certificate, PEM.")]
CaOption = Annotated[Path | None, typer.Option(help="The root certificate that sites shall trust, PEM.")]


def init(
    host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or IPv4 address by which sites reach this machine; the first is in the kits."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port that sites connect to, as seen from outside.")
    ] = 9092,
    cert: CertOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Only make a new server certificate; all kits stay good.")
    ] = False,
) -> None:
    """Make certificates for the link to the sites, or take the organisation's own."""
    from fl_core.kit import certificate_fingerprint
    from fl_server import credentials

    home = home_folder()
    own = (cert, key, ca)
    if renew:
        if host or any(own):
            raise ConfigError("--renew goes alone: it keeps the hosts, the port and the authority.")
        made = credentials.renew_certificate(home)
    elif not host:
        raise ConfigError("No name for the sites. Give --host NAME, such as fl.example.org.")
    elif cert and key and ca:
        made = credentials.take_credentials(home, host, port, chain=cert, key=key, authority=ca)
    elif any(own):
        raise ConfigError("--cert, --key and --ca go together: give all three or none.")
    else:
        made = credentials.make_credentials(home, host, port)
    typer.echo(f"Certificates  {made.folder} (private keys stay there, and belong into the backup)")
    typer.echo(f"Sites reach   {made.place.server}")
    typer.echo(f"Expires       {made.expires_at:%Y-%m-%d}")
    typer.echo(f"Authority     SHA-256 {certificate_fingerprint(made.authority_pem)}")
