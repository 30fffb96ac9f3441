"""The command ``luna16 detect-all`` as a user meets it, on one synthetic scan."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import luna16.detection.data_set
from luna16.cli import main
from luna16.detection.model_choice import load_detector
from tests.test_detect_cli import model_file, only_line  # noqa: F401 - a fixture

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, scans: Path, model_file: Path) -> Run:  # noqa: F811
    """Run the command on the one validation scan and return its exit code."""

    def run_command(out: Path, *options: str) -> int:
        arguments = ["luna16", "detect-all", str(scans), "--model", str(model_file), "--out", str(out)]
        monkeypatch.setattr(sys, "argv", [*arguments, "--validation-only", "--device", "cpu", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run_command


@pytest.mark.slow
def test_chain_is_scored_beside_the_given_candidates_and_goes_on(
    run: Run,
    tmp_path: Path,
    model_file: Path,  # noqa: F811
    capfd: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(tmp_path / "out", "--json", "--calibrate") in (0, 2)  # an untrained model may not rise
    report = json.loads(capfd.readouterr().out)
    assert report["score"]["num_scans"] == report["given"]["num_scans"] == 1
    assert report["candidate_sensitivity"] >= report["mark_sensitivity"] > 0.5
    with (tmp_path / "out" / "submission.csv").open() as table:
        assert len(list(csv.DictReader(table))) == report["score"]["num_candidates"]
    monkeypatch.setattr(luna16.detection.data_set, "detect_nodules", None)
    assert run(tmp_path / "out", "--json") == 0
    assert json.loads(capfd.readouterr().out)["score"] == report["score"]


def test_folder_in_the_data_is_refused(run: Run, scans: Path, capfd: Capture) -> None:
    assert run(scans / "out") == 2
    assert "lies in the data folder" in capfd.readouterr().err


def test_calibration_of_another_model_is_one_line(run: Run, tmp_path: Path, capfd: Capture) -> None:
    content = {"slope": 1, "intercept": 0, "num_scans": 1, "num_nodules_hit": 1, "num_false_positives": 1}
    (tmp_path / "c.json").write_text(json.dumps({**content, "model_sha256": "0"}))
    assert run(tmp_path / "out", "--calibration", str(tmp_path / "c.json")) == 2
    assert "c.json was fitted on another model" in only_line(capfd)


def test_calibration_in_the_json_of_a_model_is_taken(model_file: Path, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "best.safetensors"
    path.write_bytes(model_file.read_bytes())
    content = {"slope": 2, "intercept": -1, "num_scans": 9, "num_nodules_hit": 5, "num_false_positives": 7}
    about = json.loads(model_file.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**about, "calibration": content}))
    detector = load_detector(path)
    assert detector.calibration_source == "best.json"
    assert detector.calibration is not None
    assert detector.calibration.num_scans == 9
