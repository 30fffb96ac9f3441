import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from fl_core.errors import ConfigError, FedLunaError, RunFailedError
from fl_core.terminal import OUR_PACKAGES, VerboseOption, VersionOption, run_command

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _quiet_loggers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in an empty folder, and give environment and loggers back as they were."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    loggers = [logging.getLogger(name) for name in (*OUR_PACKAGES, "flwr")]
    before = [(logger.level, logger.disabled) for logger in loggers]
    yield
    for logger, (level, disabled) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.disabled = disabled


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, error: BaseException | None = None) -> int:
    """Run a command that raises ``error`` and return its exit code."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def command(verbose: VerboseOption = False, version: VersionOption = False) -> None:  # noqa: FBT002
        typer.echo(os.environ.get("FEDLUNA_TEST"))
        if error:
            raise error

    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_command_that_ends_well_has_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch) == 0


@pytest.mark.parametrize(("error", "code"), [(ConfigError("No file."), 2), (RunFailedError("No file."), 1)])
def test_known_error_is_one_line_on_stderr(
    error: FedLunaError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, error=error) == code
    assert capsys.readouterr().err == "No file.\n"


def test_verbose_shows_the_traceback_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--verbose", error=ConfigError("No file."))
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_has_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, error=KeyboardInterrupt()) == 130


def test_unknown_option_has_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--colour") == 2
    assert "--colour" in capsys.readouterr().err


def test_unknown_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, error=ZeroDivisionError())


def test_version_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"fedluna {version('fedluna')}\n"


def test_settings_come_from_the_env_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDLUNA_TEST", "so that it is taken away after the test")
    monkeypatch.delenv("FEDLUNA_TEST")
    Path(".env").write_text("FEDLUNA_TEST=from the file\n")
    run(monkeypatch)
    assert capsys.readouterr().out == "from the file\n"


def test_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDLUNA_TEST", "from the environment")
    Path(".env").write_text("FEDLUNA_TEST=from the file\n")
    run(monkeypatch)
    assert capsys.readouterr().out == "from the environment\n"


@pytest.mark.parametrize("own_hosts", [None, "intranet.example.org"])
def test_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch, own_hosts: str | None) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, own_hosts or "")
    run(monkeypatch)
    assert urllib.request.proxy_bypass("127.0.0.1")
    assert urllib.request.proxy_bypass("localhost")
    assert not urllib.request.proxy_bypass("coordinator.example.org")
    assert bool(urllib.request.proxy_bypass("intranet.example.org")) is (own_hosts is not None)


@pytest.mark.parametrize(("arguments", "level"), [((), "INFO"), (("--verbose",), "DEBUG")])
def test_our_own_log_lines_show_from_info_or_all(
    arguments: tuple[str, ...], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, *arguments)
    assert all(logging.getLogger(name).level == getattr(logging, level) for name in OUR_PACKAGES)
    assert logging.getLogger("flwr").disabled is (level == "INFO")


def test_packages_that_log_are_all_that_we_have() -> None:
    assert set(OUR_PACKAGES) == {path.parent.name for path in ROOT.glob("*/__init__.py")}


def test_traceback_of_an_unknown_error_shows_no_local_variable(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(
        "import typer\n"
        "from fl_core.terminal import run_command\n"
        "app = typer.Typer(add_completion=False)\n"
        "@app.command()\n"
        "def command() -> None:\n"
        "    password = 'correct horse'[::-1]\n"
        "    raise ValueError('a mistake of ours')\n"
        "run_command(app)\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, check=False)
    assert "a mistake of ours" in done.stderr
    assert "esroh tcerroc" not in done.stderr
