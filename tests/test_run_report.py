from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import FedLunaError
from fl_server import run_report
from fl_server.run_report import write_report


@pytest.mark.slow
def test_report_of_a_run_is_one_file(rehearsal: Any, tmp_path: Path) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    path = tmp_path / "report.html"
    write_report("run-1", tmp_path, path)
    assert "Rehearsal: FedLuna report" in path.read_text(encoding="utf-8")


def test_program_that_fails_is_one_line_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(FedLunaError) as raised:
        write_report("run-1", tmp_path / "none", tmp_path / "report.html")
    text = str(raised.value)
    assert text.startswith(f"There is no report of run run-1: {tmp_path}/none holds no ")
    assert "\n" not in text


def test_program_that_is_too_slow_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_report, "REPORT_TIMEOUT_S", 0.01)
    with pytest.raises(FedLunaError, match=r"There is no report of run run-1 after 0\.01 s"):
        write_report("run-1", tmp_path, tmp_path / "report.html")
