import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fl_store.rows import ComparisonRow
from fl_store.sqlite import SqliteStore
from tests.test_comparison_file import DOCUMENT, changed

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(run_fl_server: Run) -> Run:
    """Give a function that runs ``fl-server comparisons`` and returns its exit code."""
    return partial(run_fl_server, "comparisons")


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "comparison.json").write_text(json.dumps(DOCUMENT))
    return "comparison.json"


def test_comparison_is_kept_once(
    run: Run, file: str, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", file) == 0
    kept = store.get(ComparisonRow)
    assert run("add", file) == 0
    assert store.get(ComparisonRow) == kept
    assert [row.document for row in kept] == [DOCUMENT]
    first, second = capsys.readouterr().out.splitlines()
    assert (
        first == f"Comparison {kept[0].comparison_id[:12]} is kept: east: no difference shown, north: gained."
    )
    assert "is there already" in second


def test_other_file_is_one_line_and_nothing_is_kept(
    run: Run, tmp_path: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "history.json").write_text("{}")
    assert run("add", "history.json") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert store.get(ComparisonRow) == []


def test_list_shows_what_each_site_gained(
    run: Run, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "second.json").write_text(json.dumps(changed(num_seeds=9)))
    assert [run("add", name) for name in (file, "second.json")] == [0, 0]
    capsys.readouterr()
    assert run("list") == 0
    told = capsys.readouterr().out
    assert told.count("north: gained") == 2
    assert run("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["document"]["num_seeds"] for row in rows] == [2, 9]


def test_without_a_comparison_the_list_is_one_sentence(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    told = f"No comparison yet in {tmp_path}. Add one: fl-server comparisons add FILE\n"
    assert capsys.readouterr().out == told
