"""The options by which ``fl-client`` and ``fl-client check`` are told who takes part, and where."""

from pathlib import Path
from typing import Annotated

import typer

from fl_core.config import DEFAULT_SERVER

SiteOption = Annotated[
    str | None, typer.Option("--site", help="Name of this hospital, such as 'north'. (default: the kit's)")
]
KitOption = Annotated[
    Path | None, typer.Option("--kit", help="The file by which the coordinator is found and known.")
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", help=f"The coordinator's HOST:PORT. (default: the kit's; insecure {DEFAULT_SERVER})"
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="No TLS and no key: for trials on this machine alone.")
]
DataRootOption = Annotated[
    Path | None, typer.Option("--data-root", help="Folder in LUNA16 layout: subset folders and CSV tables.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The site's file. (default: configs/sites/SITE.toml, if there)"),
]
