"""What the doctor looks at on the coordinator's machine: settings, secrets, ports and certificates."""

import stat
from collections.abc import Iterator
from pathlib import Path

from fl_core.config import RunConfig, load_settings
from fl_core.errors import AddressInUseError, ConfigError, KeyFileError
from fl_core.findings import Finding, Level
from fl_core.kit import WARN_BEFORE
from fl_core.processes import check_port_is_free
from fl_server.credentials import RENEW, Credentials, has_credentials
from fl_server.home_lock import is_home_held
from fl_store.rows import utc_now


def read_configuration(path: Path | None) -> tuple[RunConfig, Finding]:
    """Return the run's configuration, or the defaults."""
    subject = "configuration"
    if path is None:
        text = "No --config FILE was given: the defaults are looked at."
        return RunConfig(), Finding(subject, Level.OK, text)
    try:
        return load_settings(path, RunConfig), Finding(subject, Level.OK, f"{path} is sound.")
    except ConfigError as error:
        return RunConfig(), Finding(
            subject, Level.FAULT, str(error), "Mend the file; defaults are looked at."
        )


def look_at_secrets(path: Path) -> Iterator[Finding]:
    """Look at who may read the file of secrets, if there is one."""
    if not path.is_file():
        return
    is_open = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if is_open:
        yield Finding(
            "secrets", Level.WARNING, ".env can be read by others on this machine.", "chmod 600 .env"
        )
    else:
        yield Finding("secrets", Level.OK, ".env can be read by its owner only.")


def look_at_ports(config: RunConfig, home: Path) -> Iterator[Finding]:
    """Look at whether the coordinator could listen, unless one does already."""
    if is_home_held(home):
        yield Finding("ports", Level.OK, "A coordinator conducts a run with this folder, and holds them.")
        return
    server = config.server
    for port, setting in ((server.fleet_port, "fleet_port"), (server.control_port, "control_port")):
        try:
            check_port_is_free(server.host, port, setting=f"{setting} in [server]")
        except AddressInUseError as error:
            yield Finding.of_fault("ports", error)
        else:
            yield Finding("ports", Level.OK, f"{server.host}:{port} ({setting}) is free.")


def look_at_certificates(config: RunConfig, home: Path) -> Finding:
    """Look at the certificates of the link to the sites."""
    if config.server.insecure:
        return Finding("certificates", Level.OK, "None in use: insecure in [server], on this machine only.")
    try:
        credentials = Credentials.read(home)
    except KeyFileError as error:
        level = Level.FAULT if has_credentials(home) else Level.WARNING  # a trial needs none
        return Finding.of_fault("certificates", error, level)
    text = f"Sites reach {credentials.place.server}; good until {credentials.expires_at:%Y-%m-%d}."
    if credentials.expires_at - utc_now() < WARN_BEFORE:
        return Finding("certificates", Level.WARNING, text, RENEW)
    return Finding("certificates", Level.OK, text)
