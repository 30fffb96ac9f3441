"""The command ``luna16 detect`` as a user meets it, on a synthetic scan."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from safetensors.torch import save_file

from luna16.cli import main
from luna16.config import DataConfig, ModelConfig
from luna16.detection.upright import make_upright
from luna16.model import build_model
from luna16.scan import ScanFile, find_scans, load_scan

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]

NOTICE = "Research use only, not for diagnosis."


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network for patches of 8 voxels, in the folder of run 'run-7'."""
    path = tmp_path_factory.mktemp("home") / "runs" / "run-7" / "best.safetensors"
    path.parent.mkdir(parents=True)
    save_file(build_model(ModelConfig()).state_dict(), path)
    settings = {"data": DataConfig(patch_size_vox=8, patch_spacing_mm=2.0).model_dump(), "model": {}}
    about = {"settings": settings, "run_id": "run-7", "round_no": 3}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


@pytest.fixture(scope="module")
def file(scans: Path) -> ScanFile:
    return find_scans(scans)[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: ScanFile, model_file: Path) -> Run:
    """Run the command in ``tmp_path`` and return its exit code."""

    def run_command(*options: str, scan: Path = file.path, model: str = str(model_file)) -> int:
        monkeypatch.chdir(tmp_path)
        arguments = ["luna16", "detect", str(scan), "--model", model, "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [*arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run_command


def only_line(capfd: Capture) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.slow
def test_every_file_tells_of_the_same_nodules(
    run: Run, tmp_path: Path, file: ScanFile, capfd: Capture
) -> None:
    assert run("--json", "--out", "out", "--view", "view.raw", "--min-probability", "0") == 0
    result = json.loads(capfd.readouterr().out)
    assert result["notice"] == NOTICE
    assert (result["model"]["run_id"], result["model"]["round_no"]) == ("run-7", 3)
    assert result["calibration"] is None
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["nodules"] == result["nodules"]
    with (tmp_path / "out" / "nodules.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == len(result["nodules"]) == 20
    first = result["nodules"][0]
    assert float(rows[0]["probability"]) == pytest.approx(first["probability"])
    labels = sitk.ReadImage(str(tmp_path / "out" / "nodules.nii.gz"))
    assert labels.GetMetaData("descrip").strip() == "Research use only, not for diagnosis."
    assert labels.GetPixel([round(i) for i in first["center_zyx_vox"][::-1]]) == 1
    view = json.loads((tmp_path / "view.json").read_text())
    voxels = np.fromfile(tmp_path / "view.raw", "<i2").reshape(view["size_zyx_vox"])
    assert np.array_equal(voxels, make_upright(load_scan(file)).voxels_hu)
    assert [nodule["rank"] for nodule in view["nodules"]] == list(range(1, 21))


@pytest.mark.slow
def test_table_says_that_an_uncalibrated_score_is_no_probability(run: Run, capfd: Capture) -> None:
    assert run("--max-nodules", "3", "--min-probability", "0") == 0
    out, _ = capfd.readouterr()
    assert "Score" in out
    assert "probability" not in out
    assert NOTICE in out


@pytest.mark.slow
def test_progress_is_a_line_of_json_a_step(run: Run, capfd: Capture) -> None:
    assert run("--progress-json") == 0
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    assert stages == ["reading", "lungs", "candidates", "measuring", "classifying", "writing"]
    assert all(0 <= line["done"] <= line["of"] for line in lines)


@pytest.mark.slow
def test_run_id_names_its_best_model(
    run: Run, model_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setenv("FEDLUNA_HOME", str(model_file.parents[2]))
    assert run("--json", model="run-7") == 0
    assert json.loads(capfd.readouterr().out)["model"]["run_id"] == "run-7"


def test_missing_run_is_one_line(run: Run, capfd: Capture) -> None:
    assert run(model="none") == 2
    assert "No model none: name a .safetensors file" in only_line(capfd)


def test_older_result_is_kept(run: Run, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text("mine")
    assert run("--out", "out") == 2
    assert "exists already" in only_line(capfd)


def test_what_is_no_scan_leaves_nothing(run: Run, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "scan.mhd").write_text("ObjectType = Image\n")
    assert run("--out", "out", "--view", "view.raw", scan=tmp_path / "scan.mhd") == 2
    assert "scan.mhd" not in only_line(capfd)
    assert [path.name for path in tmp_path.iterdir()] == ["scan.mhd"]
