"""Searches in real child processes, which do what a search may do."""

from dataclasses import replace
from pathlib import Path

import pytest

from fl_monitor.scan_limits import ScanLimits
from fl_monitor.scan_search import Progress, Search, SearchFailedError, SearchStoppedError, run_search
from tests.sent_scans import SEARCH, program, wait_until_gone

NO_MEMORY = "The search needs more memory than a scan may have here. Send a smaller part of the scan."


def search(folder: Path, text: str, **limits: float) -> list[Progress]:
    """Run a program as the search of a scan and return its progress."""
    for name in ("out", "view"):
        (folder / name).mkdir()
    told: list[Progress] = []
    run_search(
        Search(folder / "scan", folder / "m", folder / "out", folder / "view/volume.i16", folder / "scratch"),
        replace(ScanLimits(), **limits),
        on_progress=told.append,
        should_stop=lambda: False,
        command=program(text),
    )
    return told


def failure_of(folder: Path, text: str, **limits: float) -> str:
    with pytest.raises(SearchFailedError) as failed:
        search(folder, text, **limits)
    return str(failed.value)


def test_search_gets_its_paths_and_tells_its_progress(tmp_path: Path) -> None:
    assert search(tmp_path, SEARCH) == [Progress("lungs", 1, 2)]
    assert (tmp_path / "out/result.json").is_file()


def test_search_finds_no_secret_and_has_its_own_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    text = (
        "import os, sys, tempfile; "
        "print(os.environ.get('SUPABASE_KEY'), tempfile.gettempdir(), file=sys.stderr); sys.exit(2)"
    )
    assert failure_of(tmp_path, text) == f"None {tmp_path / 'scratch'}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; print('It shows no lung.', file=sys.stderr); sys.exit(2)", "It shows no lung."),
        ("import sys; sys.exit(2)", "The search failed (exit code 2)."),
        ("raise KeyError('series 1.2.3 of Jane Doe')", "The search failed (exit code 1)."),
        ("import os; os.abort()", "The search failed (exit code -6)."),
        ("raise MemoryError", NO_MEMORY),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", NO_MEMORY),
    ],
)
def test_failed_search_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    assert failure_of(tmp_path, text) == sentence


def test_search_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    text = "import time; time.sleep(60)"
    assert failure_of(tmp_path, text, search_s=0.3) == "The search took longer than 0.005 minutes."


def test_search_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    text = "kept = []\nwhile True: kept.append(bytearray(b'x' * 4_000_000)); import time; time.sleep(0.02)"
    assert failure_of(tmp_path, text, memory_bytes=80_000_000) == NO_MEMORY


def test_endless_line_and_odd_progress_do_no_harm(tmp_path: Path) -> None:
    text = (
        "import sys; e = sys.stderr; e.write('x' * 3_000_000 + chr(10)); "
        'e.write(\'[1]\\n{}\\nnull\\n{"stage": 1, "done": "x", "of": 2}\\n\'); sys.exit(2)'
    )
    assert failure_of(tmp_path, text).startswith('{"stage": 1')


def test_stopped_search_ends_with_all_that_it_started(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time, pathlib; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"pathlib.Path('{tmp_path}/pid').write_text(str(child.pid)); time.sleep(60)"
    )
    pid_file = tmp_path / "pid"
    with pytest.raises(SearchStoppedError):
        run_search(
            Search(*[tmp_path / name for name in ("scan", "model", "out", "view", "scratch")]),
            ScanLimits(),
            on_progress=lambda _: None,
            should_stop=lambda: pid_file.exists() and bool(pid_file.read_text()),
            command=program(text),
        )
    wait_until_gone(int(pid_file.read_text()))
