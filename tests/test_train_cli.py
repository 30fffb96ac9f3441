"""The command ``luna16 train`` as a user meets it, on small synthetic patches."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luna16.checkpoint import load_checkpoint
from luna16.cli import main
from luna16.phantom import write_phantom

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]

CONFIG = """
name = "small"
[federation]
rounds = 2
min_sites = 1
[server]
fleet_port = 9092
[data]
patch_size_vox = 16
patch_spacing_mm = 2.0
max_negatives_per_scan = 8
[training]
steps = 1
batch_size = 4
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scans: Path) -> Run:
    """Run the command in ``tmp_path`` and return its exit code."""
    (tmp_path / "run.toml").write_text(CONFIG)

    def run_command(*options: str, root: Path = scans) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["luna16", "train", str(root), "--device", "cpu", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run_command


def test_model_of_the_runs_settings_is_trained_scored_and_kept(
    run: Run, tmp_path: Path, capfd: Capture
) -> None:
    assert run("--config", "run.toml") == 0
    printed = capfd.readouterr()
    assert "round 1 of 2: loss" in printed.err
    assert "round 2 of 2: loss" in printed.err
    assert "CPM" in printed.out
    assert load_checkpoint(tmp_path / "trained" / "model.safetensors").data.patch_size_vox == 16


def test_second_call_goes_on_where_the_first_ended(run: Run, capfd: Capture) -> None:
    assert run("--config", "run.toml", "--json") == 0
    first = capfd.readouterr()
    assert run("--config", "run.toml", "--json") == 0
    second = capfd.readouterr()
    assert json.loads(first.out) == json.loads(second.out)
    assert "loss" not in second.err


def test_evaluate_scores_the_scans_that_training_left_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    write_phantom(tmp_path / "data", num_sites=2, scans_per_site=5, seed=1)
    assert run("--config", "run.toml", "--rounds", "1", "--json", root=tmp_path / "data") == 0
    trained = json.loads(capfd.readouterr().out)
    options = ("--model", "trained/model.safetensors", "--data", "data", "--validation-only", "--json")
    monkeypatch.setattr(sys, "argv", ["luna16", "evaluate", *options])
    with pytest.raises(SystemExit):
        main()
    scored = json.loads(capfd.readouterr().out)
    assert scored["num_scans"] == trained["num_scans"] == 4  # two of each site's five
    assert (scored["num_nodules"], scored["score"]["cpm"]) == (
        trained["num_nodules"],
        trained["score"]["cpm"],
    )


def test_rounds_of_the_command_line_have_the_last_word(run: Run, capfd: Capture) -> None:
    assert run("--config", "run.toml", "--rounds", "1", "--out", "short") == 0
    assert "round 1 of 1" in capfd.readouterr().err


def test_scan_that_cannot_be_used_is_told_and_the_rest_trained(
    run: Run, scans: Path, tmp_path: Path, capfd: Capture
) -> None:
    damaged = Path(shutil.copytree(scans, tmp_path / "damaged"))
    raw = min((damaged / "subset0").glob("*.raw"))
    raw.write_bytes(raw.read_bytes()[:1000])
    assert run("--config", "run.toml", root=damaged) == 1
    printed = capfd.readouterr()
    assert "its .raw file holds 1000 bytes" in printed.err
    assert "It is set aside." in printed.err
    assert "in 1 scans" in printed.out
    assert raw.stem not in printed.out + printed.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--config", "none.toml"], "No configuration file none.toml."),
        (["--out", "{root}/trained"], "lies in the data folder"),
        (["--device", "cuda:7"], "Device 'cuda:7' cannot be used"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    run: Run, scans: Path, capfd: Capture, options: list[str], words: str
) -> None:
    assert run(*(option.format(root=scans) for option in options)) == 2
    printed = capfd.readouterr().err
    assert words in printed
    assert "Traceback" not in printed


def test_unknown_table_of_the_file_is_refused(run: Run, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "run.toml").write_text("[trainig]\nepochs = 3\n")
    assert run("--config", "run.toml") == 2
    assert "unknown key 'trainig'. Did you mean 'training'?" in capfd.readouterr().err


def test_folder_without_sites_is_named(run: Run, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "empty").mkdir()
    assert run(root=tmp_path / "empty") == 2
    assert "holds neither subset folders nor shards" in capfd.readouterr().err
