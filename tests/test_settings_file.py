"""Settings from TOML: checked, frozen, and refused in one line that names key, value and remedy."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.settings_file import Settings, check_settings, read_table


class RunConfig(Settings):
    """A file with two tables, as the real ones have."""

    title: str
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()


def check(**table: object) -> RunConfig:
    return check_settings({"title": "test", **table}, RunConfig, source="run.toml")


def message_of(**table: object) -> str:
    with pytest.raises(ValueError, match=r"run\.toml") as caught:
        check(**table)
    return str(caught.value)


def test_given_keys_are_set_and_the_others_have_defaults() -> None:
    config = check(training={"epochs": 7})
    assert config.training.epochs == 7
    assert config.training.batch_size == TrainingConfig().batch_size


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ModelConfig().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"training": {"epoch": 2}}, "unknown key 'training.epoch'. Did you mean 'training.epochs'?"),
        ({"data": {"epochs": 2}}, "unknown key 'data.epochs'. Did you mean 'training.epochs'?"),
        ({"trainig": {}}, "unknown key 'trainig'. Did you mean 'training'?"),
        ({"zzz": 1}, "unknown key 'zzz'."),
        ({"training": {"epochs": 0}}, "training.epochs is 0, expected greater than or equal to 1."),
        (
            {"training": {"learning_rate": 2.0}},
            "training.learning_rate is 2.0, expected less than or equal to 1.",
        ),
        ({"training": {"epochs": "two"}}, "training.epochs is 'two', expected a valid integer"),
        ({"data": {"validation_fraction": 1}}, "data.validation_fraction is 1, expected less than 1."),
        (
            {"training": {"epochs_cycle": [1, 0]}},
            "training.epochs_cycle.1 is 0, expected greater than or equal to 1.",
        ),
        (
            {"training": {"schedule": "cyclic"}},
            "training has schedule 'cyclic', expected in schedule_rounds the rounds of one cycle.",
        ),
        (
            {"training": {"steps": 3, "epochs_cycle": [1]}},
            "training has steps and epochs_cycle, expected one of the two.",
        ),
        ({"data": {"hu_min": 500}}, "data has hu_min 500, expected less than hu_max (400)."),
    ],
)
def test_fault_is_one_line_with_file_key_and_value(table: dict[str, object], message: str) -> None:
    text = message_of(**table)
    assert text.startswith(f"run.toml: {message}")
    assert "\n" not in text


def test_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match=r"run.toml: key 'title' is missing."):
        check_settings({}, RunConfig, source="run.toml")


def test_table_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[training]\nepochs = 3\n")
    assert read_table(path) == {"training": {"epochs": 3}}


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No configuration file .*run.toml."):
        read_table(tmp_path / "run.toml")


@pytest.mark.parametrize("content", [b"[training\n", b"\xff\xfe"])
def test_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run.toml: not valid TOML"):
        read_table(path)
