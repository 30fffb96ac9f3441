import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fl_server import export_cli
from luna16 import model_export
from tests.conftest import Rehearsal
from tests.exported_run import play_run

Run = Callable[..., int]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rehearsal: Rehearsal) -> Path:
    """An empty working folder of a coordinator that has a run with a model."""
    play_run(rehearsal, tmp_path)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    return folder


@pytest.fixture
def export(work: Path, run_fl_server: Run) -> Run:
    """Give a function that runs ``fl-server export`` as safetensors and returns its exit code."""
    return partial(run_fl_server, "export", "--format", "safetensors")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line on stderr."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("kind", ["best", "last"])
def test_export_makes_a_folder_and_says_what_to_read_first(
    export: Run, work: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert export("last", "--kind", kind) == 0
    assert json.loads((work / "run-1-safetensors" / "model.json").read_text())["kind"] == kind
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"The {kind} model of run run-1, after round 2 of 10, is in"
    assert second == str(work / "run-1-safetensors")
    assert third.startswith("Read MODEL_CARD.md first")


def test_folder_may_be_named(export: Run, work: Path) -> None:
    assert export("run-1", "--out", "given") == 0
    assert [path.name for path in work.iterdir()] == ["given"]


def test_folder_that_is_there_is_kept(export: Run, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "given").mkdir()
    assert export("run-1", "--out", "given") == 2
    assert told(capsys) == "given is there already. Name another folder with --out, or remove it."
    assert list((work / "given").iterdir()) == []


def test_folder_in_no_folder_is_refused(export: Run, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("run-1", "--out", "no/given") == 2
    assert told(capsys) == f"Cannot write no/given: there is no folder {work / 'no'}."


def test_folder_that_is_not_writable_is_refused(
    export: Run, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_cli.os, "access", lambda *_: False)  # tests may run as root, who may write all
    assert export("run-1") == 2
    assert told(capsys) == f"Cannot write run-1-safetensors: the folder {work} is not writable."


def test_name_that_is_too_long_is_refused(
    export: Run, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("run-1", "--out", "n" * 300) == 2
    assert told(capsys).endswith("nnn: File name too long.")
    assert list(work.iterdir()) == []


def test_unknown_run_is_refused(export: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("run-9") == 2
    assert told(capsys) == "There is no run 'run-9'. The newest runs are: run-1."


def test_unknown_format_is_refused_with_the_known_ones(
    work: Path, run_fl_server: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_fl_server("export", "run-1", "--format", "pickle") == 2
    err = capsys.readouterr().err
    assert all(word in err for word in ("pickle", "monai-bundle", "torchscript", "onnx", "safetensors"))


def test_run_without_a_model_is_refused(export: Run, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = work.parent / "runs" / "run-1"
    (folder / "best.safetensors").unlink()
    assert export("run-1") == 2
    assert told(capsys) == f"Run run-1 has no best model in {folder}."


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("best.safetensors", "damaged", "best.safetensors is no whole safetensors file"),
        ("best.json", "damaged", "best.json is not JSON. Copy it again with its model file."),
        ("best.json", "{}", "best.json holds no 'settings'"),
    ],
)
def test_damaged_model_is_refused_and_leaves_nothing(
    export: Run, work: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, words: str
) -> None:
    (work.parent / "runs" / "run-1" / name).write_text(content)
    assert export("run-1") == 2
    assert told(capsys).startswith(words)
    assert list(work.iterdir()) == []


def test_missing_package_is_one_line(
    work: Path, run_fl_server: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_export, "find_spec", lambda _: None)
    assert run_fl_server("export", "run-1", "--format", "onnx") == 2
    assert told(capsys).startswith("ONNX needs onnx and onnxscript and onnxruntime. Run: pip install")


def test_file_that_differs_from_the_model_is_exit_code_1_and_leaves_nothing(
    export: Run, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_export, "PROBABILITY_TOLERANCE", -1.0)
    assert export("run-1") == 1
    assert told(capsys).startswith("Nothing was exported: model.safetensors differs from the model")
    assert list(work.iterdir()) == []
