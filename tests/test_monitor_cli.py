import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_core.errors import AddressInUseError, UsageError
from fl_monitor.cli import app, check_port
from fl_monitor.scan_limits import KEEP_HOURS, MEMORY_GB, SEARCH_MINUTES, SPACE_GB, ScanLimits
from fl_store.accounts import add_user
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

RunMonitor = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.mark.slow
def test_ctrl_c_ends_the_monitor_within_ten_seconds_with_130(run_monitor: RunMonitor, free_port: int) -> None:
    with run_monitor(free_port) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_monitor_prints_what_it_reads_its_address_and_how_to_add_a_user(
    run_monitor: RunMonitor, free_port: int, tmp_path: Path
) -> None:
    with run_monitor(free_port) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert out.splitlines() == [
        f"Reads the store in {tmp_path}.",
        "No user is known here yet. Add one on the coordinator: fl-server users add NAME --role server",
        f"Monitor: http://127.0.0.1:{free_port}  (Ctrl-C ends it)",
    ]
    assert err == ""


@pytest.mark.slow
def test_supabase_out_of_reach_is_one_warning_and_no_end(
    run_monitor: RunMonitor, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    with run_monitor(free_port) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert "Reads Supabase at 127.0.0.1:1." in out
    assert f"Monitor: http://127.0.0.1:{free_port}" in out
    (line,) = err.splitlines()
    assert line.startswith("Warning: Supabase at 127.0.0.1:1 does not answer (ConnectError).")


@pytest.mark.slow
def test_no_hint_once_there_is_a_user_and_a_warning_for_an_open_address(
    store: SqliteStore, run_monitor: RunMonitor, free_port: int
) -> None:
    add_user(store, "anna", "correct horse", role=Role.SERVER)
    with run_monitor(free_port, "--host", "0.0.0.0") as process:  # noqa: S104 - what we warn of
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert "users add" not in out
    assert err.splitlines() == [
        "Warning: 0.0.0.0 is reached over plain HTTP. Put a reverse proxy with TLS in front of it."
    ]


@pytest.mark.slow
def test_port_in_use_is_one_line_and_exit_2(run_monitor: RunMonitor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with run_monitor(port) as process:
            out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err.splitlines() == [
        f"Port {port} on 127.0.0.1 is in use. Stop the other process or choose another --port."
    ]
    assert out == ""


def test_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AddressInUseError, match="in use"):
        check_port("127.0.0.1", taken.getsockname()[1])


def test_address_of_another_machine_is_told() -> None:
    with pytest.raises(UsageError, match=r"Cannot listen on 192\.0\.2\.1, port 8501: "):
        check_port("192.0.2.1", 8501)


def test_report_command_writes_the_file(tmp_path: Path, store: SqliteStore, rehearsal: object) -> None:
    rehearsal.start()
    out = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["report", "run-1", str(out), "--home", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stdout.strip() == str(out)
    assert out.stat().st_size > 1_000_000


def test_report_of_a_folder_without_store_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "run-1", "r.html", "--home", str(tmp_path / "none")])
    assert isinstance(result.exception, UsageError)
    assert "none holds no run. Name the coordinator's folder with --home, or set SUPABASE_URL" in str(
        result.exception
    )
    assert not (tmp_path / "none").exists()


def test_report_beside_the_coordinator_asks_nothing_of_supabase(
    tmp_path: Path, store: SqliteStore, rehearsal: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.start()
    monkeypatch.setenv("SUPABASE_URL", "https://nowhere.invalid")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    out = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["report", "run-1", str(out), "--home", str(tmp_path)])
    assert result.exit_code == 0


def test_limits_of_scans_are_options_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (KEEP_HOURS, SPACE_GB, SEARCH_MINUTES, MEMORY_GB):
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr("fl_monitor.cli.serve", lambda *_: None)
    result = CliRunner().invoke(app, ["--home", str(tmp_path), "--scan-keep-hours", "2"])
    assert result.exit_code == 0
    assert (ScanLimits.read().keep, ScanLimits.read().search_s) == (timedelta(hours=2), 7 * 60)
