"""``fl-client check``: before the day, whether this hospital could take part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fl_client.link import Link
from fl_client.options import (
    ConfigOption,
    DataRootOption,
    InsecureOption,
    KitOption,
    ServerOption,
    SiteOption,
)
from fl_core.config import SiteConfig, home_folder
from fl_core.disk import look_at_disk
from fl_core.errors import ConfigError, KeyFileError
from fl_core.findings import Finding, draw_findings, findings_to_json, has_fault

NEEDED_GB = 2.0
WISHED_GB = 10.0
"""Patches of a LUNA16 subset of 88 scans take about 1 GB."""


def check(
    site: SiteOption = None,
    kit: KitOption = None,
    server: ServerOption = None,
    insecure: InsecureOption = False,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at everything a site needs, and say what to do; exit code 1 if there is a fault.

    Nothing is trained, changed or sent.
    """
    from fl_client.cli import read_site_config

    options = {
        "site": site,
        "kit": kit,
        "server": server,
        "insecure": insecure or None,
        "data_root": data_root,
    }
    site_config = read_site_config(
        config, {key: value for key, value in options.items() if value is not None}
    )
    findings = list(examine(site_config, home_folder()))
    if as_json:
        typer.echo(findings_to_json(findings))
    else:
        Console().print(draw_findings(findings))
    if has_fault(findings):
        raise typer.Exit(1)


def examine(config: SiteConfig, home: Path) -> Iterator[Finding]:
    """Yield what there is to say of a site, one thing after the other."""
    from fl_client import link_checks, machine_checks

    folder = home / "sites" / config.site
    yield from machine_checks.look_at_software()
    yield machine_checks.look_at_data(config)
    yield machine_checks.look_at_device(config.device)
    yield look_at_disk(folder, needed_gb=NEEDED_GB, wished_gb=WISHED_GB)
    yield link_checks.look_at_clock(link_checks.is_clock_kept)
    yield from look_at_coordinator(config, folder)
    yield machine_checks.describe_consent(config.consent)


def look_at_coordinator(config: SiteConfig, folder: Path) -> Iterator[Finding]:
    """Yield what there is to say of the kit, the key, and the link that they make."""
    from fl_client import link_checks

    try:
        link = Link.open(config, folder)
    except (ConfigError, KeyFileError) as error:
        yield Finding.of_fault("kit and key", error)
        return
    yield from link_checks.look_at_link(link)
