import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fl_core import processes
from fl_core.errors import AddressInUseError
from fl_core.processes import (
    ask_to_end,
    check_port_is_free,
    end_child,
    find_free_port,
    flower_environment,
    start_child,
)


def start_python(code: str, log_file: Path) -> subprocess.Popen[bytes]:
    return start_child([sys.executable, "-c", code], log_file=log_file, env=dict(os.environ))


def wait_for_line(path: Path) -> str:
    give_up_at = time.monotonic() + 20
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    return path.read_text().strip()


def has_ended_soon(pid: int) -> bool:
    """Say whether a process ends within seconds; one that waits to be reaped has ended."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_port_in_use_names_the_setting_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(AddressInUseError) as refusal:
            check_port_is_free("127.0.0.1", port, setting="fleet_port in [server]")
    assert f"127.0.0.1:{port}: Address already in use." in str(refusal.value)
    assert "change fleet_port in [server]" in str(refusal.value)


def test_free_port_can_be_listened_on() -> None:
    port = find_free_port()
    check_port_is_free("127.0.0.1", port, setting="port")
    socket.create_server(("127.0.0.1", port)).close()


def test_what_a_child_prints_is_in_its_log(tmp_path: Path) -> None:
    log_file = tmp_path / "new" / "child.log"
    child = start_python("import sys; print('out', flush=True); print('err', file=sys.stderr)", log_file)
    assert child.wait(20) == 0
    assert log_file.read_text() == "out\nerr\n"


def test_child_does_not_get_the_terminals_ctrl_c(tmp_path: Path) -> None:
    child = start_python("import time; time.sleep(60)", tmp_path / "log")
    try:
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    finally:
        end_child(child)


def test_child_that_obeys_is_asked_only(tmp_path: Path) -> None:
    child = start_python(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\ntime.sleep(60)",
        tmp_path / "log",
    )
    wait_for_line(tmp_path / "log")
    end_child(child)
    assert child.returncode == 7


def test_children_that_are_asked_together_end_side_by_side(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    children = [start_python(code, tmp_path / f"{number}") for number in range(2)]
    for number in range(2):
        wait_for_line(tmp_path / f"{number}")
    ask_to_end(children)
    assert [child.wait(20) for child in children] == [7, 7]
    ask_to_end(children)  # those that have ended are left alone
    for child in children:
        end_child(child)


def test_child_that_does_not_obey_is_killed(tmp_path: Path) -> None:
    child = start_python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True); time.sleep(60)",
        tmp_path / "log",
    )
    wait_for_line(tmp_path / "log")
    end_child(child, grace_s=0.1)
    assert child.returncode == -signal.SIGKILL


def test_what_has_left_the_childs_group_ends_with_it(tmp_path: Path) -> None:
    child = start_python(
        "import subprocess, time\n"
        "away = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, start_new_session=True)\n"
        "print(away.pid, flush=True); time.sleep(60)",
        tmp_path / "log",
    )
    grandchild = int(wait_for_line(tmp_path / "log"))
    end_child(child)
    assert has_ended_soon(grandchild)


@pytest.mark.parametrize("code", ["time.sleep(60)", "sys.exit(0)"])
def test_what_a_child_has_started_ends_with_it(tmp_path: Path, code: str) -> None:
    child = start_python(
        "import subprocess, sys, time\n"
        "grandchild = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\n"
        f"print(grandchild.pid, flush=True)\n{code}",
        tmp_path / "log",
    )
    grandchild = int(wait_for_line(tmp_path / "log"))
    end_child(child)
    assert has_ended_soon(grandchild)


def test_flower_calls_nobody_and_keeps_its_files_in_its_home(tmp_path: Path) -> None:
    env = flower_environment(tmp_path)
    assert env["FLWR_HOME"] == str(tmp_path)
    assert (env["FLWR_TELEMETRY_ENABLED"], env["FLWR_DISABLE_UPDATE_CHECK"]) == ("0", "1")


def test_flower_is_not_given_the_key_of_supabase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    assert "sb_secret_x" not in flower_environment(tmp_path).values()


def test_flower_finds_the_tools_of_this_python(tmp_path: Path) -> None:
    path = flower_environment(tmp_path)["PATH"]
    assert shutil.which("flower-superlink", path=path) == str(
        Path(sys.executable).with_name("flower-superlink")
    )


@pytest.mark.parametrize(("num_bytes", "is_kept"), [(11, True), (10, False)])
def test_long_log_of_an_earlier_child_is_kept_aside(
    num_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 10)
    log_file = tmp_path / "log.txt"
    log_file.write_text("x" * num_bytes)
    start_python("print('new')", log_file).wait()
    assert log_file.read_text() == ("new\n" if is_kept else "x" * 10 + "new\n")
    assert (tmp_path / "log.txt.1").exists() is is_kept


CHILD = "import time; from fl_core.processes import end_with_parent; end_with_parent(); time.sleep(60)"
PARENT = f"""
import os, sys, time
from pathlib import Path
from fl_core.processes import start_child
child = start_child([sys.executable, "-c", {CHILD!r}], log_file=Path(os.devnull), env=dict(os.environ))
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_child_ends_with_a_parent_that_was_killed_and_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(1)
        assert child.is_running()
        parent.kill()
        psutil.wait_procs([child], timeout=20)
        assert not child.is_running()
