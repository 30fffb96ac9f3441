"""``fl-client``: one hospital takes part, until Ctrl-C; beside it, its key and a look beforehand."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fl_client.check_cli import check
from fl_client.init_cli import init
from fl_client.leaving import leave
from fl_client.link import Link
from fl_client.options import (
    ConfigOption,
    DataRootOption,
    InsecureOption,
    KitOption,
    ServerOption,
    SiteOption,
)
from fl_core.config import (
    SiteConfig,
    check_site_name,
    home_folder,
    load_table,
    parse_settings,
)
from fl_core.errors import ConfigError, KitError
from fl_core.interruption import end_when_asked
from fl_core.kit import Kit, read_kit
from fl_core.processes import flower_environment
from fl_core.terminal import VerboseOption, VersionOption, run_command

app = typer.Typer(add_completion=False)
app.command("check")(check)
app.command("init")(init)


@app.callback(invoke_without_command=True)
def client(
    context: typer.Context,
    site: SiteOption = None,
    kit: KitOption = None,
    server: ServerOption = None,
    insecure: InsecureOption = False,
    data_root: DataRootOption = None,
    subset: Annotated[
        list[int] | None, typer.Option(help="Number of a subset to use; may be repeated. (default: all)")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N. (default: auto)")] = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
    version: VersionOption = False,
) -> None:
    """Take part in the federation with the scans of this hospital, which never leave it."""
    if context.invoked_subcommand:
        return
    options = {
        "site": site,
        "kit": kit,
        "server": server,
        "insecure": insecure or None,
        "data_root": data_root,
        "subsets": subset,
        "device": device,
    }
    site_config = read_site_config(
        config, {key: value for key, value in options.items() if value is not None}
    )
    folder = home_folder() / "sites" / site_config.site
    end_when_asked()
    link = Link.open(site_config, folder)
    link.check()
    os.environ.update(flower_environment(folder / "flower"))  # some of it is read when flwr is imported
    from fl_client.session import take_part  # torch takes seconds: not for a wrong option

    take_part(site_config, link, folder, Console())


def read_site_config(path: Path | None, options: dict[str, Any]) -> SiteConfig:
    """Combine the site's file with the command line, which wins; ConfigError if it does not hold up.

    Where there is a kit the site's name and the server are the kit's. Raises KitError if it cannot be used,
    or is for another site or server than the one that was asked for.
    """
    kit = read_kit(options["kit"]) if "kit" in options else None
    if kit is None and "site" not in options:
        raise ConfigError("No site. Give --kit FILE, or --site NAME with configs/sites/NAME.toml.")
    site = check_site_name(options.get("site") or (kit.site if kit else ""))
    default_path = Path("configs/sites") / f"{site}.toml"
    path = path or (default_path if default_path.is_file() else None)
    table = load_table(path) if path else {}
    if table.get("site", site) != site:
        raise ConfigError(f"{path} is the file of site {table['site']!r}, not of '{site}'.")
    table |= options | {"site": site}
    if "data_root" not in table:
        raise ConfigError(f"Site '{site}' has no data folder. Give --data-root DIR, or write {default_path}.")
    if table.get("kit") and not table.get("insecure"):
        kit = kit or read_kit(Path(table["kit"]))
        table["server"] = _find_server(kit, site, table.get("server"))
    return parse_settings(table, SiteConfig, source=str(path or "fl-client"))


def _find_server(kit: Kit, site: str, asked: str | None) -> str:
    """Return the kit's server; KitError unless the kit is for this site and for what was asked."""
    if kit.site != site:
        raise KitError(f"The kit is for site '{kit.site}', not for '{site}'. Take the kit of this site.")
    if asked not in {None, kit.server}:
        raise KitError(
            f"The kit is for the coordinator at {kit.server}, not for {asked}. "
            "Leave the server out, or ask that coordinator for a kit."
        )
    return kit.server


def main() -> None:
    """Run ``fl-client``."""
    try:
        run_command(app)
    except SystemExit as end:
        leave(int(end.code or 0))
        raise
