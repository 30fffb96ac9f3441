import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

from fl_core import logs
from fl_core.errors import RunFailedError
from fl_core.logs import SAID, LogFile, kept_log, note_round, note_work
from fl_core.terminal import TerminalLog

ROOT = Path(__file__).parent.parent
UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.128023902651233986592378348912"

logger = logging.getLogger("fl_core.test_logs")


@pytest.fixture(autouse=True)
def _all_lines() -> Iterator[None]:
    package = logging.getLogger("fl_core")
    package.setLevel(logging.INFO)
    yield
    package.setLevel(logging.NOTSET)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_line_tells_time_process_run_round_and_site_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def work() -> None:
        with kept_log(path, process="fl-client", site="north"):
            logger.info("Waits for %s.", "tasks")
            note_work("run-1")
            note_round(3)
            logger.warning("Late.", extra={"site": "south"})

    Context().run(work)
    _start, first, second, _end = read(path)
    assert first.pop("time").endswith("+00:00")
    about = {"level": "INFO", "logger": logger.name, "process": "fl-client", "site": "north"}
    assert first == about | {"text": "Waits for tasks."}
    assert (second["run"], second["round"], second["site"]) == ("run-1", 3, "south")


def test_known_error_that_ends_a_program_is_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(RunFailedError), kept_log(path):
        raise RunFailedError("No sites.")
    assert (read(path)[-1]["text"], "traceback" in read(path)[-1]) == ("The end: No sites.", False)


def test_unknown_error_leaves_its_traceback(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(ZeroDivisionError), kept_log(path):
        _ = 1 / 0
    assert "ZeroDivisionError: division by zero" in read(path)[-1]["traceback"]


def test_no_line_holds_a_uid_a_file_of_a_scan_or_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_hunter2")
    path = tmp_path / "log.jsonl"
    with kept_log(path):
        logger.info("Read subset3/%s.mhd with sb_secret_hunter2 for %s", UID, UID)
    with pytest.raises(ValueError, match="John"), kept_log(path):
        raise ValueError(f"/data/John Doe/{UID}.mhd is too short")
    written = path.read_text()
    assert not [needle for needle in (UID[:20], "John", ".mhd", "hunter2") if needle in written]


def test_full_disk_is_told_once_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    path.symlink_to("/dev/full")
    with kept_log(path):
        logger.info("one")
        logger.info("two")
    told = f"Cannot write the log {path}: No space left on device. It goes on without.\n"
    assert capsys.readouterr().err == told


def test_log_that_cannot_be_opened_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with kept_log(tmp_path / "log.jsonl"):
        logger.info("one")
    assert capsys.readouterr().err.count("Is a directory. It goes on without.\n") == 1


def test_lines_wait_for_their_folder_and_make_none(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "log.jsonl"
    with kept_log(path):
        logger.info("one")
        assert not path.parent.exists()
        path.parent.mkdir()
        logger.info("two")
    assert [line["text"] for line in read(path)[1:3]] == ["one", "two"]


def test_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 1000)
    with kept_log(tmp_path / "log.jsonl"):
        for number in range(200):
            logger.info("line %d", number)
    files = sorted(tmp_path.iterdir())
    assert len(files) == logs.NUM_OLD + 1
    assert all(file.stat().st_size <= 1000 for file in files)


def test_line_that_was_cut_off_by_a_kill_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"text": "cut o')
    with kept_log(path):
        logger.info("after")
    assert json.loads(path.read_text().splitlines()[2])["text"] == "after"


def test_our_own_mistake_in_a_line_is_not_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LogFile(tmp_path / "log.jsonl", {})
    log.emit(logging.LogRecord("x", logging.INFO, "", 0, "%d", ("no number",), None))
    log.close()
    assert "TypeError" in capsys.readouterr().err


def test_what_was_said_is_in_the_file_and_not_on_the_terminal_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = TerminalLog()
    logger.addHandler(terminal)
    with kept_log(tmp_path / "log.jsonl"):
        logger.info("said", extra=SAID)
        logger.info("not said")
    logger.removeHandler(terminal)
    assert capsys.readouterr().err == "not said\n"
    assert [line["text"] for line in read(tmp_path / "log.jsonl")[1:3]] == ["said", "not said"]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_log_may_be_all_that_a_program_writes_to(level: str, tmp_path: Path) -> None:
    script = (
        "import logging, pathlib, sys\n"
        "from fl_core.logs import LogFile\n"
        "from fl_core.terminal import start_logging\n"
        "start_logging(is_verbose=True, handler=LogFile(pathlib.Path(sys.argv[1]), {'run': 'r1'}))\n"
        f"logging.getLogger('fl_server').log(logging.{level}, 'Round 1 is over.')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "server.jsonl")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (line,) = read(tmp_path / "server.jsonl")
    assert (line["level"], line["text"], line["run"]) == (level, "Round 1 is over.", "r1")
    assert done.stderr == ""
