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


def keep_two_rounds(folder: RunFolder, *, is_better: bool) -> None:
    folder.keep_model(model(1), 1, scored(0.5, 0.8), is_best=True)
    folder.keep_model(model(2), 2, scored(0.6, 0.8), is_best=is_better)


def value_in(folder: RunFolder, kind: str) -> float:
    return load_file(folder.path / f"{kind}.safetensors")["layer.bias"].item()


def test_model_comes_back_as_it_was(folder: RunFolder) -> None:
    folder.keep_model(model(0.1), 1, scored(0.5, 0.8), is_best=True)
    weights = load_file(folder.path / "last.safetensors")
    assert weights.keys() == model(0.1).keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model(0.1).items())


def test_first_model_is_last_and_best(folder: RunFolder) -> None:
    rows = folder.keep_model(model(1), 1, scored(None, None), is_best=True)
    assert [row.kind for row in rows] == ["last", "best"]
    assert {path.name for path in folder.path.iterdir()} == {
        f"{kind}.{ending}" for kind in ("last", "best") for ending in ("safetensors", "json")
    }


def test_sha256_and_size_are_those_of_the_file(folder: RunFolder) -> None:
    for row in folder.keep_model(model(1), 1, scored(0.5, 0.8), is_best=True):
        content = (folder.path / row.file_name).read_bytes()
        assert row.sha256 == hashlib.sha256(content).hexdigest()
        assert row.num_bytes == len(content)


def test_best_is_kept_until_there_is_a_better_one(folder: RunFolder) -> None:
    keep_two_rounds(folder, is_better=False)
    assert (value_in(folder, "best"), value_in(folder, "last")) == (1, 2)
    folder.keep_model(model(3), 3, scored(0.7, 0.8), is_best=True)
    assert value_in(folder, "best") == 3


def test_json_tells_round_scores_and_how_to_build_the_model(folder: RunFolder) -> None:
    folder.keep_model(model(1), 3, scored(None, 0.8), is_best=True)
    about = json.loads((folder.path / "last.json").read_text())
    assert (about["run_id"], about["round_no"], about["cpm"], about["auc"]) == ("r1", 3, None, 0.8)
    assert about["settings"].keys() == {"data", "model"}
    assert about["written_at"].endswith("+00:00")


def test_history_replaces_the_one_before(folder: RunFolder) -> None:
    folder.keep_history({"rounds": [1]})
    folder.keep_history({"rounds": [1, 2]})
    assert json.loads((folder.path / "history.json").read_text()) == {"rounds": [1, 2]}


def test_no_partial_file_is_left(folder: RunFolder) -> None:
    keep_two_rounds(folder, is_better=True)
    folder.keep_history({})
    assert not [path for path in folder.path.iterdir() if "partial" in path.name]


def test_model_that_cannot_be_written_leaves_the_one_before(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.keep_model(model(1), 1, scored(0.5, 0.8), is_best=True)

    def fail(_number: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        folder.keep_model(model(2), 2, scored(0.6, 0.8), is_best=True)
    assert value_in(folder, "last") == 1
