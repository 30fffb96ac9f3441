"""The command ``luna16 evaluate`` as a user meets it, on synthetic scans."""

import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from luna16.cli import main
from luna16.config import DataConfig, ModelConfig
from luna16.model import build_model
from luna16.scan import find_scans
from luna16.split import split_by_series
from tests.test_froc_property import Case, Tables, challenge_sensitivities, read_findings

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]

DATA = DataConfig(patch_size_vox=8, patch_spacing_mm=2.0)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network for patches of 8 voxels, with its JSON."""
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    save_file(build_model(ModelConfig()).state_dict(), path)
    settings = {"data": DATA.model_dump(), "model": {}}
    path.with_suffix(".json").write_text(json.dumps({"settings": settings}))
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_file: Path, scans: Path) -> Run:
    """Run the command in ``tmp_path`` and return its exit code."""

    def run_command(*options: str, model: Path = model_file, data: Path = scans) -> int:
        monkeypatch.chdir(tmp_path)
        arguments = ["luna16", "evaluate", "--model", str(model), "--data", str(data), "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [*arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run_command


def read_marks(path: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    marks: dict[str, list[tuple[float, float, float, float]]] = {}
    with path.open() as file:
        for uid, *numbers in list(csv.reader(file))[1:]:
            marks.setdefault(uid, []).append(tuple(map(float, numbers)))
    return marks


def test_score_is_that_of_the_written_table_by_the_challenge(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    assert run("--json") == 0
    result = json.loads(capfd.readouterr().out)
    uids = (scans / "seriesuids.csv").read_text().split()
    tables = Tables(
        uids, read_findings(scans / "annotations.csv"), read_findings(scans / "annotations_excluded.csv")
    )
    expected = challenge_sensitivities(Case(uids, read_marks(tmp_path / "submission.csv"), ()), tables)
    assert list(result["score"]["sensitivities"].values()) == pytest.approx(expected)
    assert result["score"]["cpm"] == pytest.approx(np.mean(expected))


def test_every_candidate_is_in_the_table_in_its_place(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    run()
    with (scans / "candidates_V2.csv").open() as file:
        candidates = {(row[0], *map(float, row[1:4])) for row in list(csv.reader(file))[1:]}
    marks = read_marks(tmp_path / "submission.csv")
    assert {(uid, *mark[:3]) for uid in marks for mark in marks[uid]} == candidates


def test_table_shows_every_score(run: Run, capfd: Capture) -> None:
    assert run() == 0
    out, err = capfd.readouterr()
    for words in (
        "CPM",
        "at 1/8 false positives a scan",
        "ROC AUC",
        "average precision",
        "in 3 scans",
        "95 %",
        "6 to 8 mm",
    ):
        assert words in out
    assert "marks to submission.csv" in err


def test_score_is_told_when_the_marks_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("luna16.submission.write_submission", fail)
    assert run() == 2
    out, err = capfd.readouterr()
    assert "CPM" in out
    assert err == "No space left on device. Check the disk and the rights, or name another folder.\n"


def test_json_holds_bands_but_no_intervals_of_three_scans(run: Run, capfd: Capture) -> None:
    run("--json", "--seed", "5")
    result = json.loads(capfd.readouterr().out)
    assert result["intervals"] == dict.fromkeys(("auc", "average_precision", "cpm", "sensitivities"))
    assert sum(band["num_nodules"] for band in result["bands"]) == result["num_nodules"]
    assert list(result["bands"][0]["sensitivities"]) == ["0.125", "0.25", "0.5", "1", "2", "4", "8"]


def test_neither_output_nor_report_holds_a_uid(run: Run, scans: Path, capfd: Capture) -> None:
    run("--json")
    shown = "".join(capfd.readouterr())
    assert not [uid for uid in (scans / "seriesuids.csv").read_text().split() if uid in shown]


def test_validation_only_scores_the_scans_that_a_site_keeps(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    assert run("--validation-only") == 0
    uids = [file.series_uid for file in find_scans(scans)]
    split = split_by_series(uids, validation_fraction=DATA.validation_fraction, seed=DATA.split_seed)
    assert set(read_marks(tmp_path / "submission.csv")) == set(split.validation)


def test_damaged_scan_is_set_aside_and_the_rest_scored(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    shutil.copytree(scans, tmp_path / "data")
    voxels = sorted((tmp_path / "data" / "subset0").glob("*raw"))[1]
    voxels.write_bytes(voxels.read_bytes()[:-9])
    assert run("--json", data=tmp_path / "data") == 1
    out, err = capfd.readouterr()
    assert err.startswith("Set aside: subset0, scan 2 of 3 in name order: its ")
    assert (json.loads(out)["num_scans"], json.loads(out)["num_set_aside"]) == (2, 1)


def test_scans_without_a_candidate_are_one_line(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    shutil.copytree(scans, tmp_path / "data")
    (tmp_path / "data" / "candidates_V2.csv").write_text("seriesuid,coordX,coordY,coordZ,class\n")
    assert run(data=tmp_path / "data") == 2
    assert "candidates_V2.csv has no candidate in the 3 scans" in only_line(capfd)
    assert not (tmp_path / "submission.csv").exists()


def test_subset_that_is_not_there_is_one_line(run: Run, capfd: Capture) -> None:
    assert run("--subset", "4") == 2
    assert "has no folder subset4; it has subsets [0]" in only_line(capfd)


def test_weights_that_give_nan_are_one_line(
    run: Run, model_file: Path, tmp_path: Path, capfd: Capture
) -> None:
    weights = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(model_file).items()}
    save_file(weights, tmp_path / "bad.safetensors")
    shutil.copy(model_file.with_suffix(".json"), tmp_path / "bad.json")
    assert run(model=tmp_path / "bad.safetensors") == 2
    assert "The model gave NaN" in only_line(capfd)
    assert not (tmp_path / "submission.csv").exists()


def test_missing_model_is_one_line(run: Run, tmp_path: Path, capfd: Capture) -> None:
    assert run(model=tmp_path / "none.safetensors") == 2
    assert "No model file" in only_line(capfd)


def test_older_table_is_kept(run: Run, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "submission.csv").write_text("mine")
    assert run() == 2
    assert "exists already" in only_line(capfd)
    assert (tmp_path / "submission.csv").read_text() == "mine"


def only_line(capfd: Capture) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err
