from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))


def test_without_bundle_the_page_is_written(run_fl_server: Run, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.play_round(1)
    assert run_fl_server("report", "run-1") == 0
    assert "Plotly" in Path("run-1.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run-9", "--bundle"), "There is no run 'run-9'."),
        (("last", "--bundle", "--out", "none/x.zip"), "there is no folder"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    arguments: tuple[str, ...],
    words: str,
    run_fl_server: Run,
    rehearsal: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rehearsal.start()
    assert run_fl_server("report", *arguments) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert list(Path.cwd().iterdir()) == []
