"""``fl-client``: one hospital takes part, until Ctrl-C; ``fl-client check`` looks whether it could."""

import os
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fl_client.check_cli import check
from fl_core.config import (
    DEFAULT_SERVER,
    SiteConfig,
    check_site_name,
    home_folder,
    load_table,
    parse_settings,
)
from fl_core.errors import ConfigError
from fl_core.processes import flower_environment
from fl_core.terminal import VerboseOption, VersionOption, run_command

app = typer.Typer(add_completion=False)
app.command("check")(check)


@app.callback(invoke_without_command=True)
def client(
    context: typer.Context,
    site: Annotated[str | None, typer.Option(help="Name of this hospital, such as 'north'.")] = None,
    server: Annotated[
        str | None, typer.Option(help=f"The coordinator's HOST:PORT. (default: {DEFAULT_SERVER})")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder in LUNA16 layout: subset folders and CSV tables.")
    ] = None,
    subset: Annotated[
        list[int] | None, typer.Option(help="Number of a subset to use; may be repeated. (default: all)")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N. (default: auto)")] = None,
    config: Annotated[
        Path | None, typer.Option(help="The site's file. (default: configs/sites/SITE.toml, if there)")
    ] = None,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Take part in the federation with the scans of this hospital, which never leave it."""
    if context.invoked_subcommand:
        return
    options = {
        "site": site,
        "server": server,
        "data_root": data_root,
        "subsets": subset,
        "device": device,
    }
    site_config = read_site_config(
        config, {key: value for key, value in options.items() if value is not None}
    )
    folder = home_folder() / "sites" / site_config.site
    os.environ.update(flower_environment(folder / "flower"))  # some of it is read when flwr is imported
    from fl_client.session import take_part  # torch takes seconds: not for a wrong option

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    take_part(site_config, folder, Console())


def read_site_config(path: Path | None, options: dict[str, Any]) -> SiteConfig:
    """Combine the site's file with the command line, which wins; ConfigError if it does not hold up."""
    if "site" not in options:
        raise ConfigError("No site. Give --site NAME, such as --site north.")
    site = check_site_name(options["site"])
    default_path = Path("configs/sites") / f"{site}.toml"
    path = path or (default_path if default_path.is_file() else None)
    table = load_table(path) if path else {}
    if table.get("site", site) != site:
        raise ConfigError(f"{path} is the file of site {table['site']!r}, not of '{site}'.")
    table |= options
    if "data_root" not in table:
        raise ConfigError(f"Site '{site}' has no data folder. Give --data-root DIR, or write {default_path}.")
    return parse_settings(table, SiteConfig, source=str(path or "fl-client"))


def main() -> None:
    """Run ``fl-client``."""
    run_command(app)
