"""What a run's configuration asks for beside what is there, looked at before anything is started."""

from collections.abc import Sequence
from pathlib import Path

from fl_core.config import RunConfig
from fl_core.errors import ConfigError
from fl_core.kit import warn_if_expiring
from fl_core.strategies import match_layers
from fl_server.credentials import RENEW, Credentials
from fl_server.enrolment import Enrolments


def check_layers(config: RunConfig) -> None:
    """Raise ConfigError if a pattern of personal layers fits no tensor of the network, or they fit all."""
    patterns = config.strategy.personal_layers
    if not patterns:
        return
    from luna16.model import build_model  # noqa: PLC0415 - torch takes seconds, and few runs have such layers

    names = list(build_model(config.model).state_dict())
    for pattern in patterns:
        if not match_layers(names, [pattern]):
            raise ConfigError(
                f"strategy.personal_layers has '{pattern}', which fits no tensor of {config.model.name}. "
                f"They are named {names[0]}, {names[1]} and so on to {names[-1]}."
            )
    if len(match_layers(names, patterns)) == len(names):
        raise ConfigError(
            f"strategy.personal_layers fits every tensor of {config.model.name}; "
            "some have to be learnt together."
        )


def check_quorum(config: RunConfig, enrolled: Sequence[str]) -> None:
    """Raise ConfigError if a round needs more sites than are enrolled."""
    min_sites = config.federation.min_sites
    if min_sites > len(enrolled):
        raise ConfigError(
            f"federation.min_sites is {min_sites}, but enrolled are {len(enrolled)}: "
            f"{', '.join(enrolled) or 'none'}. `fl-server sites add NAME --key FILE` enrols a site."
        )


def open_credentials(config: RunConfig, home: Path) -> Credentials | None:
    """Read the coordinator's certificates, and warn of what expires within 30 days; None without TLS.

    KeyFileError if there are none, ConfigError if too few sites are enrolled.
    """
    if config.server.insecure:
        return None
    credentials, enrolments = Credentials.read(home), list(Enrolments(home))
    warn_if_expiring("The server certificate", credentials.expires_at, RENEW)
    for enrolment in enrolments:
        what_to_do = f"`fl-server sites kit {enrolment.site}` writes a new one."
        warn_if_expiring(f"The kit of site '{enrolment.site}'", enrolment.kit_expires_at, what_to_do)
    check_quorum(config, [enrolment.site for enrolment in enrolments])
    return credentials
