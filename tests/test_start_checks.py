from pathlib import Path

import pytest

from fl_core.config import FederationConfig, RunConfig, ServerConfig
from fl_core.errors import ConfigError, KeyFileError
from fl_core.strategies import FedAvgSettings, match_layers
from fl_server.start_checks import check_layers, check_quorum, open_credentials
from luna16.config import ModelConfig, NetworkName
from luna16.model import build_model


def run_with(*patterns: str, network: NetworkName = "resnet_slim") -> RunConfig:
    return RunConfig(model=ModelConfig(name=network), strategy=FedAvgSettings(personal_layers=patterns))


def test_layers_that_the_network_has_are_accepted() -> None:
    check_layers(run_with())
    check_layers(run_with("*bn*", "fc.*"))


def test_pattern_that_fits_no_tensor_is_refused_with_names_that_there_are() -> None:
    with pytest.raises(ConfigError) as refusal:
        check_layers(run_with("*bn*", "norm*"))
    assert str(refusal.value) == (
        "strategy.personal_layers has 'norm*', which fits no tensor of resnet_slim. "
        "They are named conv1.weight, bn1.weight and so on to fc.bias."
    )


def test_patterns_that_leave_nothing_to_share_are_refused() -> None:
    with pytest.raises(ConfigError, match="fits every tensor of resnet_slim"):
        check_layers(run_with("*"))


def test_quorum_of_more_sites_than_are_enrolled_is_refused_with_their_names() -> None:
    config = RunConfig(federation=FederationConfig(min_sites=3))
    check_quorum(config, ["east", "north", "south"])
    with pytest.raises(ConfigError, match=r"min_sites is 3, but enrolled are 2: north, south\. `fl-server"):
        check_quorum(config, ["north", "south"])
    with pytest.raises(ConfigError, match="enrolled are 0: none"):
        check_quorum(config, [])


def test_credentials_are_asked_for_unless_the_run_goes_without_tls(tmp_path: Path) -> None:
    assert open_credentials(RunConfig(server=ServerConfig(insecure=True)), tmp_path) is None
    with pytest.raises(KeyFileError):
        open_credentials(RunConfig(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "patterns"),
    [
        ("resnet_slim", ("*bn*", "*downsample.1*")),
        ("resnet18", ("*bn*", "*downsample.1*")),
        ("densenet121", ("*norm*",)),
        ("seresnet50", ("*bn*", "*.N.*")),
    ],
)
def test_documented_patterns_are_the_norm_layers(network: NetworkName, patterns: tuple[str, ...]) -> None:
    model = build_model(ModelConfig(name=network))
    norms = {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if type(module).__name__ == "GroupNorm"
        for parameter in ("weight", "bias")
    }
    assert match_layers(model.state_dict(), patterns) == norms
