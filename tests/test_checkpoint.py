"""A model file is loaded with its JSON, or refused in one line that says what to do."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from luna16.checkpoint import PackedWeights, load_checkpoint, save_model
from luna16.config import ModelConfig
from luna16.model import build_model


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model file of the default network, as a run leaves it."""
    path = tmp_path / "best.safetensors"
    save_file(build_model(ModelConfig(seed=7)).state_dict(), path)
    settings = {"data": {"patch_size_vox": 24}, "model": {"name": "resnet_slim"}}
    write_about(path, {"round_no": 3, "settings": settings})
    return path


def write_about(path: Path, about: object) -> None:
    path.with_suffix(".json").write_text(json.dumps(about))


def test_checkpoint_has_the_weights_of_the_file_and_the_settings_beside_it(model_file: Path) -> None:
    checkpoint = load_checkpoint(model_file)
    assert checkpoint.data.patch_size_vox == 24
    weights = checkpoint.model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in load_file(model_file).items())


def test_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^No model file .*best\.safetensors\.$"):
        load_checkpoint(tmp_path / "best.safetensors")


def test_missing_json_is_asked_for(model_file: Path) -> None:
    model_file.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"^No best\.json beside .* Copy both\.$"):
        load_checkpoint(model_file)


def test_damaged_json_is_an_error(model_file: Path) -> None:
    model_file.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match=r"^best\.json is not JSON"):
        load_checkpoint(model_file)


@pytest.mark.parametrize("about", [[], {}, {"settings": 3}, None])
def test_json_of_something_else_is_an_error(about: object, model_file: Path) -> None:
    write_about(model_file, about)
    with pytest.raises(ValueError, match=r"^best\.json holds no 'settings'"):
        load_checkpoint(model_file)


def test_unknown_network_is_an_error_that_names_the_key(model_file: Path) -> None:
    write_about(model_file, {"settings": {"model": {"name": "vgg"}}})
    with pytest.raises(ValueError, match=r"^best\.json: name is 'vgg', expected"):
        load_checkpoint(model_file)


def test_settings_that_are_no_table_are_an_error(model_file: Path) -> None:
    write_about(model_file, {"settings": {"model": 5}})
    with pytest.raises(ValueError, match=r"^best\.json: "):
        load_checkpoint(model_file)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100])
def test_damaged_model_file_is_an_error(content: bytes, model_file: Path) -> None:
    model_file.write_bytes(content)
    with pytest.raises(ValueError, match=r"^best\.safetensors is no whole safetensors file") as raised:
        load_checkpoint(model_file)
    assert "\n" not in str(raised.value)


def test_cut_model_file_is_an_error(model_file: Path) -> None:
    model_file.write_bytes(model_file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        load_checkpoint(model_file)


def test_tensor_of_another_shape_is_named(model_file: Path) -> None:
    weights = load_file(model_file)
    save_file(weights | {"fc.bias": torch.zeros(2)}, model_file)
    with pytest.raises(ValueError, match=r"'fc\.bias' is \[2\], expected \[1\]"):
        load_checkpoint(model_file)


def test_missing_tensor_is_named(model_file: Path) -> None:
    weights = load_file(model_file)
    del weights["fc.bias"]
    save_file(weights, model_file)
    with pytest.raises(ValueError, match=r"'fc\.bias' is missing, expected \[1\]"):
        load_checkpoint(model_file)


def test_tensor_too_many_is_named(model_file: Path) -> None:
    save_file(load_file(model_file) | {"more": torch.zeros(2)}, model_file)
    with pytest.raises(ValueError, match=r"'more' is \[2\], expected none of that name"):
        load_checkpoint(model_file)


def test_file_of_another_run_is_refused_by_its_sha256(model_file: Path) -> None:
    write_about(model_file, {"settings": {}, "sha256": "0" * 64})
    with pytest.raises(ValueError, match=r"is not the file that its JSON was written for"):
        load_checkpoint(model_file)


def test_weights_that_were_saved_are_loaded_again(tmp_path: Path) -> None:
    path, model = tmp_path / "m.safetensors", build_model(ModelConfig(seed=5))
    save_model(path, PackedWeights.pack(model.state_dict()), {"settings": {}})
    weights = load_checkpoint(path).model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.json", "m.safetensors"]
