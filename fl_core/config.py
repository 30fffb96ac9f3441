"""The two files people write: one TOML file describes a run, one small file describes a site."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fl_core.errors import ConfigError
from fl_core.strategies import AnyStrategy, FedAvgSettings, FedProxSettings, LayerPattern
from luna16.config import LearningConfig, NetworkName, PositiveInt
from luna16.settings_file import Settings, SettingsT, check_settings, read_table

SITE_NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,31}"
HOST_NAME_PATTERN = r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*"
DEFAULT_SERVER = "127.0.0.1:9092"


def check_site_name(name: str) -> str:
    """Return ``name`` if a site can have it, or else raise ConfigError."""
    if not re.fullmatch(SITE_NAME_PATTERN, name):
        raise ConfigError(
            f"Site name {name[:40]!r} is not accepted: 1 to 32 of a-z, 0-9 and '-', such as 'north'."
        )
    return name


def is_loopback(host: str) -> bool:
    """Say whether ``host`` is this machine itself, so that nobody outside hears what is said to it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _check_host(host: str) -> str:
    if not re.fullmatch(HOST_NAME_PATTERN, host):
        raise ValueError(f"is {host!r}, expected an IPv4 address or a host name, such as 0.0.0.0 for all")
    return host


def _check_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    is_port = re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536
    if not is_port or not re.fullmatch(HOST_NAME_PATTERN, host):
        raise ValueError(f"is {address!r}, expected HOST:PORT, such as {DEFAULT_SERVER}")
    return address


Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ListenHost = Annotated[str, AfterValidator(_check_host)]
ServerAddress = Annotated[str, AfterValidator(_check_address)]
SiteName = Annotated[str, AfterValidator(check_site_name)]


class FederationConfig(Settings):
    """How many rounds, with how many sites, and how long the coordinator waits.

    A round ends when all have answered; with ``min_sites`` good updates, when each of the others has had
    three times what it took before, or was lost for ``lost_site_s``; and after ``round_timeout_s`` in any
    case. With fewer good updates it leaves the model as it was and is held again after a pause, up to
    ``repeats`` times in a row; then the run ends. With ``detect_in_last_round`` the sites also find the
    nodules of their validation scans from the scans alone, after the last round: minutes for each scan
    without a GPU.

    The best model is the one with the best ``best_by``. After ``patience`` rounds in which it got no better,
    by ``min_delta`` at least, the run ends; 0 lets it go on. Every ``leave_one_out_every`` rounds the sites
    score what the average is without each of them, and with ``cross_site_table`` at the end the last update
    of each site; both show a site's update to the others, so only where every such site agrees to it.
    """

    rounds: PositiveInt = 20
    min_sites: PositiveInt = 2
    wait_for_sites_s: Seconds = 3600.0
    round_timeout_s: Seconds = 3600.0
    lost_site_s: Seconds = 60.0
    repeats: Annotated[int, Field(ge=0, le=20)] = 5
    detect_in_last_round: bool = False
    best_by: Literal["cpm", "auc", "average_precision", "loss"] = "cpm"
    patience: Annotated[int, Field(ge=0, le=10_000)] = 0
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    leave_one_out_every: Annotated[int, Field(ge=0, le=10_000)] = 0
    cross_site_table: bool = False


class ScreeningConfig(Settings):
    """Which updates are left out of the average, and when a site has to sit out.

    An update may be ``max_norm_ratio`` times as long as the usual one of this round and the
    ``recent_rounds`` before. After ``strikes`` updates that were left out a site takes no part until the
    coordinator lets it back; 0 lets it go on.
    """

    max_norm_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 10.0
    recent_rounds: Annotated[int, Field(ge=0, le=1000)] = 5
    strikes: Annotated[int, Field(ge=0, le=1000)] = 3


class ServerConfig(Settings):
    """Where the coordinator listens; without TLS (``insecure``) on this machine only."""

    host: ListenHost = "127.0.0.1"
    fleet_port: Port = 9092
    control_port: Port = 9093
    insecure: bool = False

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.fleet_port == self.control_port:
            raise ValueError(f"has {self.fleet_port} as fleet_port and as control_port, expected two ports")
        return self

    @model_validator(mode="after")
    def _is_secure_or_local(self) -> Self:
        if self.insecure and not is_loopback(self.host):
            raise ValueError(
                f"is insecure with host {self.host!r}, expected a loopback address such as 127.0.0.1: other "
                "machines are reached with TLS only. Make certificates with `fl-server init`"
            )
        return self


class TaskSettings(LearningConfig):
    """What a site must know to do its part of a round; sent with every task.

    Tensors whose names fit a pattern of ``personal_layers`` stay at the site.
    """

    personal_layers: tuple[LayerPattern, ...] = ()


class RunConfig(LearningConfig):
    """One training of the federation, as the coordinator describes it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")] = "run"
    federation: FederationConfig = FederationConfig()
    strategy: AnyStrategy = FedAvgSettings()
    screening: ScreeningConfig = ScreeningConfig()
    server: ServerConfig = ServerConfig()

    @model_validator(mode="after")
    def _has_sites_enough(self) -> Self:
        needed = self.strategy.fewest_sites
        if self.federation.min_sites < needed:
            raise ValueError(
                f"federation.min_sites is {self.federation.min_sites}, expected at least {needed} for the "
                f"strategy '{self.strategy.name}': {self.strategy.reason}"
            )
        return self

    @model_validator(mode="after")
    def _has_one_proximal_mu(self) -> Self:
        if isinstance(self.strategy, FedProxSettings) and self.training.proximal_mu:
            raise ValueError(
                "proximal_mu is in [training] and of the strategy 'fedprox', expected one of the two"
            )
        return self

    @property
    def task(self) -> TaskSettings:
        """The part that the sites are told."""
        training = self.training.spread_over(self.federation.rounds)
        if isinstance(self.strategy, FedProxSettings):
            training = training.model_copy(update={"proximal_mu": self.strategy.proximal_mu})
        return TaskSettings(
            data=self.data,
            model=self.model,
            training=training,
            evaluation=self.evaluation,
            personal_layers=self.strategy.personal_layers,
        )


class ConsentConfig(Settings):
    """What a site agrees to; a task beyond it is declined before anything is computed.

    Without a limit the coordinator decides. ``min_sites`` is of one round, ``max_rounds_per_day`` of any 24
    hours. With ``share_model`` the coordinator may let the other sites score this site's updates, which
    they then hold. With ``share_log`` it is given this site's log lines of a run when that has ended.
    """

    models: Annotated[tuple[NetworkName, ...], Field(min_length=1)] | None = None
    max_local_epochs: PositiveInt | None = None
    min_sites: PositiveInt = 1
    max_rounds_per_day: PositiveInt | None = None
    share_data_card: bool = True
    share_model: bool = False
    share_log: bool = False


class SiteConfig(Settings):
    """One hospital: its coordinator and the kit that proves it, where its scans lie, what it agrees to."""

    site: SiteName
    data_root: Path
    server: ServerAddress = DEFAULT_SERVER
    kit: Path | None = None
    insecure: bool = False
    subsets: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    consent: ConsentConfig = ConsentConfig()

    @model_validator(mode="after")
    def _is_secure_or_local(self) -> Self:
        if self.insecure and self.kit:
            raise ValueError("has a kit and is insecure, expected one of the two")
        if self.insecure and not is_loopback(self.server.rpartition(":")[0]):
            raise ValueError(
                f"is insecure with server {self.server!r}, expected this machine, such as {DEFAULT_SERVER}: "
                "other machines are reached with a kit only"
            )
        return self


def load_settings(path: Path, model: type[SettingsT]) -> SettingsT:
    """Read a TOML file; a fault in it is a ConfigError of one line."""
    return parse_settings(load_table(path), model, source=str(path))


def load_table(path: Path) -> dict[str, Any]:
    """Read a TOML file whose settings are completed and checked elsewhere."""
    try:
        return read_table(path)
    except (ValueError, FileNotFoundError) as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error


def parse_settings(table: dict[str, Any], model: type[SettingsT], *, source: str) -> SettingsT:
    """Check settings that came from ``source`` (a command line, a message); a fault is a ConfigError."""
    try:
        return check_settings(table, model, source=source)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def home_folder() -> Path:
    """Return the folder that holds runs, sites and the SQLite store (``FEDLUNA_HOME``)."""
    return Path(os.environ.get("FEDLUNA_HOME", "fedluna-data")).resolve()
