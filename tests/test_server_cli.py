import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.config import RunConfig, load_settings
from fl_core.errors import ConfigError
from fl_server.cli import main, override
from fl_server.enrolment import Enrolments
from fl_store.rows import utc_now

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fl-server", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "No configuration. Give --config FILE, such as configs/demo.toml."),
        (("--config", "none.toml"), "No configuration file none.toml."),
        (("--config", "run.toml", "--rounds", "0"), "--rounds is '0', expected a number from 1"),
        (("--config", "run.toml", "--rounds", "+5"), "--rounds is '+5', expected a number from 1"),
        (("--resume", "last", "--config", "run.toml"), "Of options give --rounds only."),
        (("--resume", "20261128"), "There is no run '20261128'. The newest runs are: none yet."),
    ],
)
def test_wrong_use_is_told_and_has_exit_code_2(
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err


def test_wrong_value_in_the_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.toml").write_text("[federation]\nround = 5\n")
    assert run(monkeypatch, "--config", "run.toml") == 2
    told = "run.toml: unknown key 'federation.round'. Did you mean 'federation.rounds'?\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ('[strategy]\nname = "fedbest"\n', "strategy.name is 'fedbest', expected one of 'fedavg'"),
        ('[strategy]\nname = "krum"\n', "federation.min_sites is 2, expected at least 5 for the strategy"),
        ('[strategy]\nname = "fedavg"\npersonal_layers = ["norm*"]\n', "fits no tensor of resnet_slim"),
        ("[federation]\nmin_sites = 3\n", "federation.min_sites is 3, but enrolled are 1: north."),
    ],
)
def test_strategy_and_quorum_that_cannot_be_are_refused_before_anything_starts(
    file: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "init", "--host", "127.0.0.1") == 0
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    Enrolments(tmp_path).add("north", key, utc_now() + timedelta(days=99), replaces=False)
    Path("run.toml").write_text(file)
    capsys.readouterr()
    assert run(monkeypatch, "--config", "run.toml") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "runs").exists()


def test_command_imports_neither_torch_nor_flower_at_its_start() -> None:
    """Torch takes seconds, and Flower reads its environment when it is imported."""
    program = "import sys, fl_server.cli; print(sorted({'torch', 'monai', 'flwr'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_command_line_wins_over_the_file() -> None:
    config = load_settings(ROOT / "configs/demo.toml", RunConfig)
    options = {"federation.rounds": 2, "federation.min_sites": None, "server.fleet_port": 1234}
    changed = override(config, options)
    assert (changed.federation.rounds, changed.server.fleet_port) == (2, 1234)
    assert changed.federation.min_sites == config.federation.min_sites
    assert changed.training == config.training


def test_option_that_does_not_fit_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="fl-server: server has 9093 as fleet_port"):
        override(RunConfig(), {"server.fleet_port": 9093})
