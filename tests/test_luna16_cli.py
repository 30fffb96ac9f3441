"""The command ``luna16`` as a user meets it: output, exit codes, one line for an error."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

import luna16.phantom
from luna16.cli import main
from luna16.scan import find_scans


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["luna16", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_phantom_writes_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    code = run(monkeypatch, "phantom", str(out), "--sites", "2", "--scans-per-site", "1", "--seed", "5")
    captured = capfd.readouterr()
    assert (code, captured.err) == (0, "")
    assert captured.out == f"Wrote 2 scans of 2 sites into {out}.\n"
    assert [file.subset for file in find_scans(out)] == [0, 1]


def test_full_folder_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code = run(monkeypatch, "phantom", str(tmp_path))
    assert code == 2
    assert capfd.readouterr().err == (
        f"{tmp_path} is not an empty folder. Name a new one, or remove it first.\n"
    )


def test_verbose_adds_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run(monkeypatch, "phantom", str(tmp_path), "--verbose") == 2
    assert "Traceback" in capfd.readouterr().err


def test_folder_below_a_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(monkeypatch, "phantom", str(tmp_path / "file" / "out")) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "file" in error


def test_fault_of_our_own_is_one_line_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"{tmp_path}/2.25.1234.mhd")

    monkeypatch.setattr(luna16.phantom, "write_phantom", fail)
    assert run(monkeypatch, "phantom", str(tmp_path / "out")) == 1
    error = capfd.readouterr().err
    assert error.startswith("RuntimeError in test_luna16_cli.py, line ")
    assert error.count("\n") == 1
    assert "2.25" not in error


def test_error_of_the_system_tells_the_folder_but_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", f"{tmp_path}/2.25.1234.mhd")

    monkeypatch.setattr(luna16.phantom, "write_phantom", fail)
    assert run(monkeypatch, "phantom", str(tmp_path / "out")) == 2
    advice = "Check the disk and the rights, or name another folder."
    assert capfd.readouterr().err == f"{tmp_path}: Read-only file system. {advice}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["phantom", "out", "--sites", "0"], "0 is not in the range"),
        (["phantom", "out", "--seed", "-1"], "-1 is not in the range"),
        (["phantom"], "Missing argument 'OUT'"),
        (["phantm"], "No such command 'phantm'"),
        (["phantom", "out", "--scans", "3"], "No such option"),
    ],
)
def test_wrong_use_is_exit_code_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert words in capfd.readouterr().err


def test_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capfd.readouterr().out == f"fedluna {version('fedluna')}\n"


def test_help_tells_the_defaults(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "phantom", "--help") == 0
    text = capfd.readouterr().out
    assert "--scans-per-site" in text
    assert "default: 9" in text


@pytest.mark.parametrize(
    ("command", "names"), [("verify", ["ROOT"]), ("shard", ["ROOT", "OUT"]), ("prepare", ["ROOT", "OUT"])]
)
def test_help_says_what_folders_are_and_fits_80_columns(
    command: str, names: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, command, "--help") == 0
    lines = capfd.readouterr().out.splitlines()
    about = " ".join(lines[2 : next(i for i, line in enumerate(lines) if "Arguments" in line)])
    assert "layout of LUNA16" in " ".join(about.split())
    assert all(name in about for name in names)
    assert max(map(len, lines)) <= 80
    assert not any("diri" in line and "dirichlet" not in line for line in lines)


@pytest.mark.slow
def test_ctrl_c_stops_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from luna16.cli import main; main()", "phantom", str(tmp_path / "out")]
    process = subprocess.Popen([*command, "--scans-per-site", "300"], start_new_session=True)
    while not list(tmp_path.glob(".out-*/out/subset0/*.mhd")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert list(tmp_path.iterdir()) == []
