import math
from pathlib import Path
from typing import Any

import pytest

from fl_core.config import (
    RunConfig,
    SiteConfig,
    TaskSettings,
    check_site_name,
    home_folder,
    load_settings,
    load_table,
    parse_settings,
)
from fl_core.errors import ConfigError

ROOT = Path(__file__).parent.parent
NORTH = {"site": "north", "data_root": "/data"}


def parse_run(table: dict[str, Any]) -> RunConfig:
    return parse_settings(table, RunConfig, source="run.toml")


def parse_site(**settings: Any) -> SiteConfig:
    return parse_settings(NORTH | settings, SiteConfig, source="north.toml")


@pytest.mark.parametrize("name", ["demo.toml", "luna16.toml"])
def test_shipped_run_files_are_accepted(name: str) -> None:
    assert load_settings(ROOT / "configs" / name, RunConfig).federation.min_sites >= 2


def test_shipped_site_file_is_accepted() -> None:
    assert load_settings(ROOT / "configs/sites/example.toml", SiteConfig).site == "example"


@pytest.mark.parametrize(
    ("table", "suggestion"),
    [
        ({"federation": {"round": 3}}, "unknown key 'federation.round'. Did you mean 'federation.rounds'?"),
        ({"rounds": 3}, "unknown key 'rounds'. Did you mean 'federation.rounds'?"),
        ({"training": {"epoch": 3}}, "unknown key 'training.epoch'. Did you mean 'training.epochs'?"),
        ({"learning_rate": 0.1}, "Did you mean 'training.learning_rate'?"),
    ],
)
def test_misspelt_key_suggests_the_nearest(table: dict[str, Any], suggestion: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_run(table)
    assert suggestion in str(refusal.value)


def test_key_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_run({"zzz": 1})
    assert str(refusal.value) == "run.toml: unknown key 'zzz'."


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"federation": {"rounds": 0}}, "federation.rounds is 0, expected greater than or equal to 1."),
        ({"federation": {"rounds": "x"}}, "federation.rounds is 'x', expected a valid integer"),
        ({"training": {"learning_rate": 2.0}}, "training.learning_rate is 2.0, expected less than"),
        ({"data": {"hu_min": 500}}, "data has hu_min 500, expected less than hu_max (400)."),
        (
            {"federation": {"wait_for_sites_s": math.inf}},
            "federation.wait_for_sites_s is inf, expected a finite number",
        ),
        ({"federation": {"round_timeout_s": math.nan}}, "federation.round_timeout_s is nan, expected"),
        ({"federation": {"best_by": "f1"}}, "federation.best_by is 'f1', expected 'cpm', 'auc', "),
        ({"federation": {"patience": -1}}, "federation.patience is -1, expected greater than or equal to 0."),
        (
            {"data": {"validation_fraction": 0.6, "test_fraction": 0.4}},
            "data has validation_fraction 0.6 and test_fraction 0.4, expected less than 1 together.",
        ),
    ],
)
def test_bad_value_is_told_with_file_key_and_expectation(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_run(table)
    assert str(refusal.value).startswith(f"run.toml: {words}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "example.org"])  # noqa: S104 - to be refused
def test_host_that_others_can_reach_is_refused_without_tls_and_accepted_with_it(host: str) -> None:
    with pytest.raises(ConfigError, match=r"server is insecure with host .* with TLS only"):
        parse_run({"server": {"host": host, "insecure": True}})
    assert parse_run({"server": {"host": host}}).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_loopback_host_is_accepted_without_tls(host: str) -> None:
    assert parse_run({"server": {"host": host, "insecure": True}}).server.host == host


@pytest.mark.parametrize("host", ["", "::1", "a b", "fl.example.org:9092"])
def test_host_that_cannot_be_listened_on_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.host is .* expected an IPv4 address or a host name"):
        parse_run({"server": {"host": host}})


def test_site_without_tls_reaches_this_machine_only() -> None:
    assert parse_site(insecure=True, server="localhost:1").insecure
    with pytest.raises(ConfigError, match=r"is insecure with server .fl\.example\.org:1"):
        parse_site(insecure=True, server="fl.example.org:1")
    with pytest.raises(ConfigError, match="has a kit and is insecure"):
        parse_site(insecure=True, kit="north.kit")


def test_sites_are_told_only_what_they_need() -> None:
    config = parse_run({"name": "secret plan", "training": {"epochs": 7}})
    assert type(config.task) is TaskSettings
    assert config.task.training.epochs == 7
    assert set(config.task.model_dump()) == {"data", "model", "training", "evaluation", "personal_layers"}


def test_schedule_lasts_as_long_as_the_run_unless_its_length_is_given() -> None:
    run = {"federation": {"rounds": 30}}
    assert parse_run(run).task.training.schedule_rounds == 30
    assert parse_run(run | {"training": {"schedule_rounds": 12}}).task.training.schedule_rounds == 12


@pytest.mark.parametrize("name", ["north", "a", "site-2", "0" * 32])
def test_site_name_is_accepted(name: str) -> None:
    assert check_site_name(name) == name


@pytest.mark.parametrize("name", ["", "North", "-a", "a b", "*", "../x", "a" * 33, "north\n"])
def test_site_name_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ConfigError, match="such as 'north'"):
        check_site_name(name)


@pytest.mark.parametrize("address", ["127.0.0.1:9092", "coordinator.example.org:1", "fl_server:65535"])
def test_server_address_is_accepted(address: str) -> None:
    assert parse_site(server=address).server == address


@pytest.mark.parametrize(
    "address", ["", "host", ":9092", "host:", "host:0", "host:65536", "host:x", "host:²", "a..b:1", "a b:1"]
)
def test_server_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigError, match=r"north\.toml: server is .*, expected HOST:PORT, such as"):
        parse_site(server=address)


def test_negative_subset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"subsets\.1 is -1"):
        parse_site(subsets=[0, -1])


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_device_is_accepted(device: str) -> None:
    assert parse_site(device=device).device == device


def test_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="device is 'gpu'"):
        parse_site(device="gpu")


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No configuration file .*none\.toml"):
        load_table(tmp_path / "none.toml")


def test_file_that_is_not_toml_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("name = 'x'\nrounds\n")
    with pytest.raises(ConfigError, match=r"run\.toml: not valid TOML: .*line 2"):
        load_table(path)


def test_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="File name too long"):
        load_table(tmp_path / ("x" * 300))


def test_home_is_absolute_and_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLUNA_HOME", raising=False)
    assert home_folder() == tmp_path / "fedluna-data"
    monkeypatch.setenv("FEDLUNA_HOME", "elsewhere")
    assert home_folder() == tmp_path / "elsewhere"


def test_one_port_for_two_services_is_refused() -> None:
    table = {"server": {"fleet_port": 9092, "control_port": 9092}}
    with pytest.raises(ConfigError, match="server has 9092 as fleet_port and as control_port"):
        parse_settings(table, RunConfig, source="run.toml")


def test_name_that_does_not_fit_tells_the_pattern() -> None:
    with pytest.raises(ConfigError, match=r"run.toml: name is 'a/b', expected text of the pattern"):
        parse_settings({"name": "a/b"}, RunConfig, source="run.toml")
