import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_server.model_card import TITLES, write_card
from fl_server.model_facts import ModelFacts, read_facts
from fl_server.model_formats import ModelFormat
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow
from luna16.config import DataConfig
from luna16.geometry import Geometry
from luna16.patches import extract_patch
from luna16.scan import Scan, make_image
from tests.conftest import Rehearsal
from tests.exported_run import SITES, play_run


@pytest.fixture
def facts(rehearsal: Rehearsal, tmp_path: Path) -> ModelFacts:
    run = play_run(rehearsal, tmp_path)
    return read_facts(rehearsal.store, run, tmp_path / "runs" / "run-1" / "best.safetensors")


def card_of(facts: ModelFacts, data: DataConfig | None = None) -> str:
    return write_card(facts, data or DataConfig(), ModelFormat.ONNX)


@pytest.mark.parametrize("file_format", ModelFormat)
def test_card_says_what_it_is_not_for_and_names_no_site(facts: ModelFacts, file_format: ModelFormat) -> None:
    card = write_card(facts, DataConfig(), file_format)
    assert "**Research use only, not for diagnosis.**" in card
    assert "3 hospitals trained it" in card
    assert not any(word in card for word in (*SITES, "secret-name", "$", "| None"))


def test_score_has_its_interval_and_the_number_it_is_of(facts: ModelFacts) -> None:
    auc = MetricRow("run-1", 2, FEDERATION, Metric.AUC, 0.91234, 360, utc_now(), None, 0.85, 0.95)
    card = card_of(replace(facts, metrics=(auc,)))
    assert "| area under the ROC curve | 0.912 | 0.850 to 0.950 | 360 |" in card


def test_score_that_came_out_as_nan_says_so(facts: ModelFacts) -> None:
    nan = MetricRow("run-1", 2, FEDERATION, Metric.AUC, None, 360, utc_now(), NotFinite.NAN)
    assert "| area under the ROC curve | nan | - | 360 |" in card_of(replace(facts, metrics=(nan,)))


def test_round_without_scores_says_so(facts: ModelFacts) -> None:
    assert "The run has no scores of this round." in card_of(replace(facts, metrics=()))


def test_every_score_has_a_title() -> None:
    assert set(Metric) - TITLES.keys() == {Metric.TRAIN_LOSS, Metric.LOSS_CHANGE_WITHOUT}


def test_count_that_is_withheld_is_not_told(facts: ModelFacts) -> None:
    assert "| validation scans | not told |" in card_of(replace(facts, num_validation_scans=None))


def test_model_without_calibration_says_so(facts: ModelFacts) -> None:
    assert "The scores are not calibrated. It was trained with 3 negatives to a positive" in card_of(facts)


def test_calibration_of_the_model_is_told(facts: ModelFacts) -> None:
    card = card_of(replace(facts, about={**facts.about, "calibration": {"slope": 0.8}}))
    assert "| calibration.slope | 0.8 |" in card
    assert "not calibrated" not in card


def test_code_of_the_card_cuts_patches_as_training_did(facts: ModelFacts) -> None:
    code = re.findall(r"```python\n(import SimpleITK.*?)patch_hu =", card_of(facts), re.DOTALL)[0]
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - it is ours
    geometry = Geometry((-20.0, 10.0, -30.0), (0.7, 0.8, 1.5), (-1, 0, 0, 0, -1, 0, 0, 0, 1), (40, 44, 48))
    voxels_hu = np.random.default_rng(0).integers(-2000, 2000, geometry.size_zyx_vox).astype(np.int16)
    scan = Scan("2.25.1", voxels_hu, geometry)
    center_xyz_mm = geometry.voxel_to_world((5, 20, 20))
    patch_hu = names["cut_patch"](make_image(voxels_hu, geometry), center_xyz_mm)  # type: ignore[operator]
    expected = extract_patch(scan, center_xyz_mm, DataConfig())
    assert np.abs(patch_hu.astype(int) - expected).max() <= 1
