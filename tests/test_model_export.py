import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from luna16 import model_export
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, ModelConfig
from luna16.model import build_model
from luna16.model_export import check_packages, check_same, write_onnx, write_state_dict, write_torchscript
from tests.conftest import ROOT

NETWORKS = ("resnet_slim", "resnet18", "densenet121", "seresnet50")
EXPORT_ONCE = """
import sys
from pathlib import Path
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, ModelConfig
from luna16.model import build_model
from luna16.model_export import write_torchscript
write_torchscript(Checkpoint(build_model(ModelConfig()), DataConfig(patch_size_vox=16)), Path(sys.argv[1]))
"""


@cache
def model_of(name: Any) -> Checkpoint:
    return Checkpoint(build_model(ModelConfig(name=name)), DataConfig(patch_size_vox=16))


def probabilities_of(checkpoint: Checkpoint, patches: torch.Tensor) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        return checkpoint.model.eval()(patches).sigmoid().numpy()


def load_torchscript(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        return torch.jit.load(path)


@pytest.fixture
def patches() -> torch.Tensor:
    return torch.rand(5, 1, 16, 16, 16, generator=torch.Generator().manual_seed(7))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*NETWORKS[:2], *(pytest.param(name, marks=pytest.mark.soak) for name in NETWORKS[2:])]
)
def test_torchscript_gives_the_same_probabilities(name: str, tmp_path: Path, patches: torch.Tensor) -> None:
    write_torchscript(model_of(name), tmp_path / "model.ts")
    with torch.inference_mode():
        found = load_torchscript(tmp_path / "model.ts")(patches).sigmoid().numpy()
    assert np.abs(found - probabilities_of(model_of(name), patches)).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [NETWORKS[0], *(pytest.param(name, marks=pytest.mark.soak) for name in NETWORKS[1:])]
)
def test_onnx_gives_the_same_probabilities(name: str, tmp_path: Path, patches: torch.Tensor) -> None:
    write_onnx(model_of(name), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (logits,) = session.run(["logits"], {"patches": patches.numpy()})
    found = 1 / (1 + np.exp(-logits))
    assert np.abs(found - probabilities_of(model_of(name), patches)).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.soak
def test_torchscript_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    paths = [tmp_path / "a.ts", tmp_path / "b.ts"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    for path in paths:
        subprocess.run([sys.executable, "-c", EXPORT_ONCE, path], env=env, check=True, capture_output=True)
    first, second = (path.read_bytes() for path in paths)
    assert first == second


@pytest.mark.slow
@pytest.mark.soak
def test_onnx_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        write_onnx(model_of("resnet_slim"), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second


def test_state_dict_has_the_weights_and_no_code(tmp_path: Path) -> None:
    write_state_dict(model_of("resnet_slim"), tmp_path / "model.pt")
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    expected = model_of("resnet_slim").model.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("change", [1e-4, float("nan"), float("inf")])
def test_file_that_computes_something_else_is_refused(change: float) -> None:
    checkpoint = model_of("resnet_slim")
    with pytest.raises(ValueError, match=r"model\.ts differs from the model"):
        check_same(checkpoint, lambda patches: checkpoint.model(patches) + change, name="model.ts")


def test_sure_networks_are_compared_by_their_logits_too() -> None:
    sure = Checkpoint(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16**3, 1)), DataConfig(patch_size_vox=16)
    )
    with torch.no_grad():
        sure.model[1].bias.fill_(30)  # type: ignore[index]
    with pytest.raises(ValueError, match="differs from the model"):
        check_same(sure, lambda patches: sure.model(patches) + 5, name="model.ts")


def test_missing_package_is_named_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(model_export, "find_spec", lambda name: None if "script" in name else found(name))
    with pytest.raises(ValueError, match=r"^ONNX needs onnxscript\. Run: pip install onnxscript$"):
        check_packages()
