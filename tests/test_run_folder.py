import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fl_core.config import TaskSettings
from fl_server.run_folder import RunFolder
from luna16.counts import Score


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, "r1", TaskSettings())


def model(value: float) -> dict[str, torch.Tensor]:
    """Return a model that lies in memory in another order than on disk."""
    return {"layer.weight": torch.full((2, 3), value).T, "layer.bias": torch.tensor([value])}


def scored(cpm: float | None, auc: float | None) -> Score:
    return Score(auc=auc, sensitivities=None, cpm=cpm, loss=None)


def best_after(folder: RunFolder, *scores: tuple[float | None, float | None]) -> int:
    """Keep a model a round and return the round that is the best."""
    for round_no, (cpm, auc) in enumerate(scores, start=1):
        folder.keep_model(model(round_no), round_no, scored(cpm, auc))
    return int(load_file(folder.path / "best.safetensors")["layer.bias"].item())


def test_model_comes_back_as_it_was(folder: RunFolder) -> None:
    folder.keep_model(model(0.1), 1, scored(0.5, 0.8))
    weights = load_file(folder.path / "last.safetensors")
    assert weights.keys() == model(0.1).keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model(0.1).items())


def test_first_model_is_last_and_best(folder: RunFolder) -> None:
    rows = folder.keep_model(model(1), 1, scored(None, None))
    assert [row.kind for row in rows] == ["last", "best"]
    assert {path.name for path in folder.path.iterdir()} == {
        f"{kind}.{ending}" for kind in ("last", "best") for ending in ("safetensors", "json")
    }


def test_sha256_and_size_are_those_of_the_file(folder: RunFolder) -> None:
    for row in folder.keep_model(model(1), 1, scored(0.5, 0.8)):
        content = (folder.path / row.file_name).read_bytes()
        assert row.sha256 == hashlib.sha256(content).hexdigest()
        assert row.num_bytes == len(content)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 0.8), (0.4, 0.9)], 1),
        ([(0.5, 0.8), (0.6, 0.7)], 2),
        ([(0.5, 0.8), (0.5, 0.9)], 2),
        ([(0.5, 0.8), (0.5, 0.8)], 1),
        ([(None, None), (0.0, 0.4)], 2),
        ([(0.5, None), (None, 0.9)], 1),
    ],
)
def test_best_has_the_highest_cpm_then_auc_and_is_the_first_such(
    folder: RunFolder, scores: list[tuple[float | None, float | None]], best: int
) -> None:
    assert best_after(folder, *scores) == best


def test_last_model_is_that_of_the_last_round(folder: RunFolder) -> None:
    best_after(folder, (0.9, 0.9), (0.1, 0.1))
    assert load_file(folder.path / "last.safetensors")["layer.bias"].item() == 2


def test_json_tells_round_scores_and_how_to_build_the_model(folder: RunFolder) -> None:
    folder.keep_model(model(1), 3, scored(None, 0.8))
    about = json.loads((folder.path / "last.json").read_text())
    assert (about["run_id"], about["round_no"], about["cpm"], about["auc"]) == ("r1", 3, None, 0.8)
    assert about["settings"].keys() == {"data", "model"}
    assert about["written_at"].endswith("+00:00")


def test_history_replaces_the_one_before(folder: RunFolder) -> None:
    folder.keep_history({"rounds": [1]})
    folder.keep_history({"rounds": [1, 2]})
    assert json.loads((folder.path / "history.json").read_text()) == {"rounds": [1, 2]}


def test_no_partial_file_is_left(folder: RunFolder) -> None:
    best_after(folder, (0.5, 0.8), (0.6, 0.8))
    folder.keep_history({})
    assert not [path for path in folder.path.iterdir() if "partial" in path.name]


def test_model_that_cannot_be_written_leaves_the_one_before(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.keep_model(model(1), 1, scored(0.5, 0.8))

    def fail(_number: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        folder.keep_model(model(2), 2, scored(0.6, 0.8))
    assert load_file(folder.path / "last.safetensors")["layer.bias"].item() == 1
