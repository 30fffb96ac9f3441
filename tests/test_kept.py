"""What was found in a scan is kept for that scan and that model, and read again only if it is whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, ModelConfig
from luna16.detection.detector import Detector, make_marks
from luna16.detection.kept import KeptDetections
from luna16.detection.marks import Detection
from luna16.model import build_model
from luna16.scan import ScanFile

PLACES = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(Checkpoint(build_model(ModelConfig()), DataConfig()), "0" * 64, "resnet_slim")


@pytest.fixture
def detection(detector: Detector) -> Detection:
    """One mark, left of two candidates."""
    marks = make_marks(PLACES[:1], [8.0], np.array([0.5]), detector)
    return Detection(marks, PLACES, ("odd",), {"lungs": 1.5})


@pytest.fixture
def file(tmp_path: Path) -> ScanFile:
    path = tmp_path / "data" / "1.mhd"
    path.parent.mkdir()
    path.write_text("header")
    return ScanFile("1", 0, path, "scan 1")


def test_what_is_kept_is_found_with_its_candidates(
    tmp_path: Path, detector: Detector, detection: Detection, file: ScanFile
) -> None:
    KeptDetections(tmp_path / "kept", detector).keep(file, detection)
    found = KeptDetections(tmp_path / "kept", detector).find(file)
    assert found == detection
    assert found.num_candidates == 2


def test_other_model_or_changed_scan_finds_nothing(
    tmp_path: Path, detector: Detector, detection: Detection, file: ScanFile
) -> None:
    kept = KeptDetections(tmp_path / "kept", detector)
    kept.keep(file, detection)
    assert KeptDetections(tmp_path / "kept", replace(detector, sha256="1" * 64)).find(file) is None
    file.path.write_text("another header")
    assert kept.find(file) is None


@pytest.mark.parametrize("text", ["{", "{}", '{"logits": 1}'])
def test_damaged_file_is_as_none(
    text: str, tmp_path: Path, detector: Detector, detection: Detection, file: ScanFile
) -> None:
    kept = KeptDetections(tmp_path / "kept", detector)
    kept.keep(file, detection)
    next((tmp_path / "kept").glob("*.json")).write_text(text)
    assert kept.find(file) is None
