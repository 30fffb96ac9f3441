from typing import Any

import pytest

from fl_core.config import RunConfig, parse_settings
from fl_core.errors import ConfigError
from fl_core.strategies import match_layers
from fl_server.aggregation import FLOWER, make_flower_strategy


def parse(min_sites: int = 9, **strategy: Any) -> RunConfig:
    table = {"strategy": strategy, "federation": {"min_sites": min_sites}}
    return parse_settings(table, RunConfig, source="run.toml")


@pytest.mark.parametrize("name", FLOWER)
def test_strategy_is_found_by_its_name_and_takes_what_flower_takes(name: str) -> None:
    flower = make_flower_strategy(parse(name=name).strategy)
    assert type(flower).__name__.lower() == name
    assert {key: getattr(flower, key) for key in parse(name=name).strategy.parameters} == (
        parse(name=name).strategy.parameters
    )


def test_run_without_a_strategy_averages() -> None:
    assert RunConfig().strategy.name == "fedavg"


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({"name": "fedbest"}, "strategy.name is 'fedbest', expected one of 'fedavg', 'fedprox', 'fedavgm', "),
        ({"eta": 0.1}, "key 'strategy.name' is missing."),
        (
            {"name": "fedprox", "beta": 0.1},
            "strategy has 'beta', which 'fedprox' does not take, expected personal_layers, proximal_mu.",
        ),
        ({"name": "fedprox", "proximal_mu": -0.1}, "strategy.proximal_mu is -0.1, expected greater than or"),
        ({"name": "fedprox", "proximal_mu": float("nan")}, "strategy.proximal_mu is nan, expected a finite"),
        ({"name": "fedavgm", "server_momentum": 1}, "strategy.server_momentum is 1, expected less than 1."),
        (
            {"name": "fedavgm", "server_learning_rate": 0},
            "strategy.server_learning_rate is 0, expected greater than 0.",
        ),
        ({"name": "fedadam", "eta": "fast"}, "strategy.eta is 'fast', expected a valid number"),
        ({"name": "fedadam", "beta_1": 1.0}, "strategy.beta_1 is 1.0, expected less than 1."),
        ({"name": "fedyogi", "tau": 0.0}, "strategy.tau is 0.0, expected greater than 0."),
        ({"name": "fedtrimmedavg", "beta": 0.5}, "strategy.beta is 0.5, expected less than 0.5."),
        ({"name": "fedtrimmedavg", "beta": 0}, "strategy.beta is 0, expected greater than or equal to 0.01."),
        ({"name": "krum", "num_malicious_nodes": -1}, "strategy.num_malicious_nodes is -1, expected greater"),
        (
            {"name": "multikrum", "num_nodes_to_select": 0},
            "strategy.num_nodes_to_select is 0, expected greater",
        ),
        (
            {"name": "fedavg", "personal_layers": ["a b"]},
            "strategy.personal_layers.0 is 'a b', expected text",
        ),
    ],
)
def test_fault_in_a_strategy_is_one_line(strategy: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(**strategy)
    assert str(refusal.value).startswith(f"run.toml: {words}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("strategy", "needed", "reason"),
    [
        ({"name": "fedmedian"}, 3, "the median of two is their mean"),
        ({"name": "fedtrimmedavg"}, 5, "are cut off at each end"),
        ({"name": "fedtrimmedavg", "beta": 0.34}, 3, "are cut off at each end"),
        ({"name": "krum"}, 5, "twice num_malicious_nodes and 3 more"),
        ({"name": "krum", "num_malicious_nodes": 0}, 3, "twice num_malicious_nodes and 3 more"),
        ({"name": "multikrum", "num_malicious_nodes": 2}, 7, "twice num_malicious_nodes and 3 more"),
        ({"name": "multikrum", "num_nodes_to_select": 6}, 7, "those and num_nodes_to_select together"),
    ],
)
def test_too_few_sites_for_a_strategy_are_refused_with_the_reason(
    strategy: dict[str, Any], needed: int, reason: str
) -> None:
    assert parse(needed, **strategy).strategy.fewest_sites == needed
    with pytest.raises(ConfigError) as refusal:
        parse(needed - 1, **strategy)
    words = f"run.toml: federation.min_sites is {needed - 1}, expected at least {needed} for the strategy"
    assert str(refusal.value).startswith(f"{words} '{strategy['name']}': ")
    assert reason in str(refusal.value)


def test_share_that_flower_rounds_down_needs_a_site_more() -> None:
    beta = 1 / 49  # 49 times that is a little less than 1
    assert int(beta * 49) == 0
    assert parse(50, name="fedtrimmedavg", beta=beta).strategy.fewest_sites == 50


@pytest.mark.parametrize("name", ["fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi"])
def test_average_and_optimizers_take_any_number_of_sites(name: str) -> None:
    assert parse(1, name=name).strategy.fewest_sites == 1


def test_mu_of_fedprox_goes_to_the_sites_and_is_given_in_one_place() -> None:
    assert parse(name="fedprox", proximal_mu=0.3).task.training.proximal_mu == 0.3
    both = {"strategy": {"name": "fedprox"}, "training": {"proximal_mu": 0.1}}
    with pytest.raises(ConfigError, match=r"proximal_mu is in \[training\] and of the strategy 'fedprox'"):
        parse_settings(both, RunConfig, source="run.toml")


def test_personal_layers_go_to_the_sites() -> None:
    assert parse(name="fedyogi", personal_layers=["*bn*"]).task.personal_layers == ("*bn*",)


def test_patterns_fit_whole_names() -> None:
    names = ["bn1.weight", "layer1.0.bn1.bias", "fc.weight"]
    assert match_layers(names, ["*bn?.*"]) == {"bn1.weight", "layer1.0.bn1.bias"}
    assert match_layers(names, ["bn1", "fc.*"]) == {"fc.weight"}
    assert match_layers(names, []) == set()
