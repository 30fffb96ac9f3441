import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from luna16.annotations import Candidate
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, EvaluationConfig, ModelConfig
from luna16.dataset import PatchSet
from luna16.evaluation import predict_logits
from luna16.model import build_model
from luna16.monai_bundle import make_inference, make_metadata, write_bundle

DATA = DataConfig(patch_size_vox=16, hu_min=-900, hu_max=300)
TEXTS = {"schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description"}
TENSOR = {
    "type": str,
    "format": str,
    "num_channels": int,
    "spatial_shape": list,
    "dtype": str,
    "value_range": list,
}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(build_model(ModelConfig(seed=3)), DATA)


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(checkpoint, folder, {"eval_metrics": {"auc": 0.9}})
    return folder


def run_monai(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run MONAI's own command in the bundle's folder."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "monai.bundle", *arguments],
        cwd=bundle,
        env=env,
        text=True,
        capture_output=True,
        check=False,
    )


def predict(checkpoint: Checkpoint, patches_hu: np.ndarray) -> np.ndarray:
    """Give the probabilities by which our own evaluation scores these patches."""
    candidates = tuple(Candidate("a", (0.0, 0.0, 0.0), is_nodule=False) for _ in patches_hu)
    patch_set = PatchSet(patches_hu, candidates, ("a",), nodules=(), excluded=())
    device = torch.device("cpu")
    logits = predict_logits(checkpoint.model, patch_set, DATA, EvaluationConfig(), device=device)
    return 1 / (1 + np.exp(-logits))


@pytest.mark.slow
def test_monai_runs_it_and_gives_the_probabilities_of_our_evaluation(
    checkpoint: Checkpoint, bundle: Path, tmp_path: Path
) -> None:
    patches_hu = np.random.default_rng(0).integers(-1500, 1000, (5, 16, 16, 16)).astype(np.int16)
    patches_hu[::2] //= 4  # some of them darker than others
    for row, patch_hu in enumerate(patches_hu):
        np.save(tmp_path / f"{row}.npy", patch_hu)
    arguments = ("--config_file", "configs/inference.json", "--dataset_dir", str(tmp_path))
    assert run_monai(bundle, "run", *arguments).returncode == 0
    lines = list(csv.reader((bundle / "eval" / "probabilities.csv").read_text().splitlines()))
    assert [Path(name).name for name, _ in lines] == [f"{row}.npy" for row in range(5)]
    found = np.array([float(probability) for _, probability in lines])
    assert np.ptp(found) > 1e-3
    assert np.abs(found - predict(checkpoint, patches_hu)).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.soak
def test_monai_finds_that_the_network_takes_and_gives_what_the_metadata_say(bundle: Path) -> None:
    files = ("--meta_file", "configs/metadata.json", "--config_file", "configs/inference.json")
    assert run_monai(bundle, "verify_net_in_out", "network_def", *files).returncode == 0


@pytest.mark.slow
@pytest.mark.soak
def test_folder_without_patches_is_one_line_and_no_success(bundle: Path, tmp_path: Path) -> None:
    arguments = ("--config_file", "configs/inference.json", "--dataset_dir", str(tmp_path))
    done = run_monai(bundle, "run", *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"No .npy file in {tmp_path}. Give --dataset_dir FOLDER."


@pytest.mark.slow
def test_it_has_the_files_of_the_official_layout(bundle: Path) -> None:
    files = {str(path.relative_to(bundle)) for path in bundle.glob("[cm]*/*")}
    assert files == {"configs/inference.json", "configs/metadata.json", "models/model.pt", "models/model.ts"}
    assert json.loads((bundle / "configs/metadata.json").read_text())["eval_metrics"] == {"auc": 0.9}


def test_metadata_have_all_that_the_schema_asks_for() -> None:
    metadata = make_metadata(DATA)
    assert all(isinstance(metadata[name], str) for name in (*TEXTS, "authors", "copyright"))
    assert isinstance(metadata["required_packages_version"], dict)
    network = metadata["network_data_format"]
    for tensor in (network["inputs"]["image"], network["outputs"]["pred"]):
        assert {name: type(tensor[name]) for name in TENSOR} == TENSOR


def test_inference_scales_by_the_window_that_the_model_was_trained_with() -> None:
    text = json.dumps(make_inference(DATA))
    assert '"a_min": -900, "a_max": 300, "b_min": 0, "b_max": 1' in text
    assert "luna16" not in text
