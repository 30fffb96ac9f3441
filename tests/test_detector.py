"""The same scan gives the same nodules, however it is stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from luna16.annotations import read_nodules
from luna16.checkpoint import Checkpoint
from luna16.config import DataConfig, ModelConfig
from luna16.detection.detector import Detector, detect_nodules
from luna16.detection.mark_scores import score_detection
from luna16.detection.marks import Detection
from luna16.intake import open_ct
from luna16.model import build_model
from luna16.scan import Scan, find_scans, load_scan, make_image

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def detector() -> Detector:
    """An untrained network for patches of 8 voxels: its scores mean nothing, but they are the same."""
    data = DataConfig(patch_size_vox=8, patch_spacing_mm=2.0)
    return Detector(Checkpoint(build_model(ModelConfig()), data), "0" * 64, "resnet_slim")


@pytest.fixture(scope="module")
def scan(scans: Path) -> Scan:
    return load_scan(find_scans(scans)[0])


@pytest.fixture(scope="module")
def detection(scan: Scan, detector: Detector) -> Detection:
    return detect_nodules(scan, detector, device=CPU)


def assert_same(found: Detection, expected: Detection, *, within_mm: float) -> None:
    """The order of scores that all but tie may change, so marks are compared by place."""
    places, wanted = (np.array([m.center_xyz_mm for m in each.marks]) for each in (found, expected))
    assert len(places) == len(wanted)
    distances_mm = np.linalg.norm(places[:, None] - wanted, axis=-1)
    assert distances_mm.min(axis=0).max() < within_mm


@pytest.mark.slow
def test_nearly_every_nodule_is_proposed_near_its_centre(
    scan: Scan, detection: Detection, scans: Path
) -> None:
    nodules = read_nodules(scans, only={scan.series_uid})
    scores = score_detection(scan.series_uid, detection, nodules, [])
    assert scores.num_nodules_proposed >= len(nodules) - 1
    assert np.median(scores.distances_mm) < 2
    assert np.median(abs(scores.diameter_ratios - 1)) < 0.2


@pytest.mark.slow
def test_second_run_gives_the_same_bits(scan: Scan, detector: Detector, detection: Detection) -> None:
    again = detect_nodules(scan, detector, device=CPU)
    assert again.marks == detection.marks


@pytest.mark.slow
@pytest.mark.parametrize(
    "order", ["PSR", *(pytest.param(order, marks=pytest.mark.soak) for order in ("RAI", "LPI"))]
)
def test_other_order_of_voxels_gives_the_same_marks(
    order: str, scan: Scan, detector: Detector, detection: Detection
) -> None:
    image = sitk.DICOMOrient(make_image(scan.voxels_hu, scan.geometry), order)
    geometry = replace(
        scan.geometry,
        origin_xyz_mm=image.GetOrigin(),
        spacing_xyz_mm=image.GetSpacing(),
        direction=image.GetDirection(),
        size_zyx_vox=image.GetSize()[::-1],
    )
    stored = Scan(scan.series_uid, sitk.GetArrayFromImage(image), geometry)
    assert_same(detect_nodules(stored, detector, device=CPU), detection, within_mm=0.01)


@pytest.mark.slow
def test_nifti_gives_the_same_marks(
    scan: Scan, detector: Detector, detection: Detection, tmp_path: Path
) -> None:
    path = tmp_path / "scan.nii.gz"
    sitk.WriteImage(make_image(scan.voxels_hu, scan.geometry), str(path))
    assert_same(detect_nodules(open_ct(path).scan, detector, device=CPU), detection, within_mm=0.05)
