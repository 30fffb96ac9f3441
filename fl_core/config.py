"""The two files people write: one TOML file describes a run, one small file describes a site."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fl_core.errors import ConfigError
from luna16.config import (
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    PositiveInt,
    Settings,
    SettingsT,
    TrainingConfig,
    check_settings,
    read_settings,
)

SITE_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
DEFAULT_SERVER = "127.0.0.1:9092"

Port = Annotated[int, Field(ge=1, le=65535)]
LoopbackHost = Annotated[str, Field(pattern=r"^(127(\.\d{1,3}){3}|localhost)$")]
SiteName = Annotated[str, Field(pattern=SITE_NAME_PATTERN)]


class FederationConfig(Settings):
    """How many rounds, with how many sites, and how long the coordinator waits."""

    rounds: PositiveInt = 20
    min_sites: PositiveInt = 2
    wait_for_sites_s: Annotated[float, Field(gt=0)] = 3600.0
    round_timeout_s: Annotated[float, Field(gt=0)] = 3600.0


class ServerConfig(Settings):
    """Where the coordinator listens; loopback only, as long as the link to the sites has no TLS."""

    host: LoopbackHost = "127.0.0.1"
    fleet_port: Port = 9092
    control_port: Port = 9093


class RunConfig(Settings):
    """One training of the federation, as the coordinator describes it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")] = "run"
    federation: FederationConfig = FederationConfig()
    server: ServerConfig = ServerConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class SiteConfig(Settings):
    """One hospital: its name, the coordinator's address, and where its scans lie."""

    site: SiteName
    data_root: Path
    server: Annotated[str, Field(pattern=r"^[^\s:]+:\d{1,5}$")] = DEFAULT_SERVER
    subsets: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"


def load_settings(path: Path, model: type[SettingsT]) -> SettingsT:
    """Read a TOML file; a fault in it is a ConfigError of one line."""
    try:
        return read_settings(path, model)
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(str(error)) from error


def parse_settings(table: dict[str, object], model: type[SettingsT], *, source: str) -> SettingsT:
    """Check settings that came from ``source`` (a command line, a message); a fault is a ConfigError."""
    try:
        return check_settings(table, model, source=source)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def home_folder() -> Path:
    """Return the folder that holds runs, sites and the SQLite store (``FEDLUNA_HOME``)."""
    return Path(os.environ.get("FEDLUNA_HOME", "fedluna-data")).resolve()
