"""Probabilities are fitted to counts of marks, and refused where they cannot be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luna16.counts import EvalCounts, count_by_bin, to_probabilities
from luna16.detection.calibration import (
    Calibration,
    calibration_to_json,
    find_calibration_error,
    fit_calibration,
    read_calibration,
)

TRUE = Calibration(0.8, -3.0, 10, 1, 1)


def draw_counts(seed: int, num_marks: int = 4000) -> EvalCounts:
    """Give marks whose share of nodules is what TRUE says of their score."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, num_marks)
    is_hit = random.random(num_marks) < to_probabilities(TRUE.adjust(logits))
    hits, misses = count_by_bin(logits[is_hit]), count_by_bin(logits[~is_hit])
    return replace(EvalCounts.zero(), num_scans=10, nodules_hit=hits, false_positives=misses)


def test_curve_is_found_again() -> None:
    fitted = fit_calibration(draw_counts(0))
    assert (fitted.slope, fitted.intercept) == pytest.approx((TRUE.slope, TRUE.intercept), rel=0.1)
    assert fitted.num_nodules_hit + fitted.num_false_positives == 4000


def test_error_on_other_marks_falls() -> None:
    others = draw_counts(1)
    raw, fitted = (
        find_calibration_error(others, None),
        find_calibration_error(others, fit_calibration(draw_counts(0))),
    )
    assert raw is not None
    assert fitted is not None
    assert fitted < 0.02
    assert raw > 0.2


def test_counts_of_sites_add_up_to_one_curve() -> None:
    whole = fit_calibration(draw_counts(0) + draw_counts(1))
    assert whole.num_scans == 20
    assert whole.slope == pytest.approx(TRUE.slope, rel=0.1)


def test_separable_marks_give_a_finite_curve() -> None:
    hits, misses = count_by_bin(np.array([4.0, 5.0])), count_by_bin(np.array([-5.0, -4.0]))
    fitted = fit_calibration(replace(EvalCounts.zero(), nodules_hit=hits, false_positives=misses))
    assert 0 < fitted.slope < 10
    assert to_probabilities(fitted.adjust(np.array([5.0])))[0] < 0.9


@pytest.mark.parametrize("hit", ["nodules_hit", "false_positives"])
def test_marks_of_one_kind_cannot_be_fitted(hit: str) -> None:
    counts = replace(EvalCounts.zero(), **{hit: count_by_bin(np.array([1.0]))})
    with pytest.raises(ValueError, match="cannot be calibrated on"):
        fit_calibration(counts)


def test_falling_curve_is_refused() -> None:
    counts = draw_counts(0)
    swapped = replace(counts, nodules_hit=counts.false_positives, false_positives=counts.nodules_hit)
    with pytest.raises(ValueError, match="do not rise"):
        fit_calibration(swapped)


def test_file_is_read_for_its_own_model_only(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(calibration_to_json(TRUE, model_sha256="a")))
    assert read_calibration(path, model_sha256="a") == TRUE
    with pytest.raises(ValueError, match=r"calibration\.json was fitted on another model"):
        read_calibration(path, model_sha256="b")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"slope": -1, "intercept": 0}', '{"slope": NaN}'])
def test_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(ValueError, match=r"^calibration\.json[^\n]*Fit it again"):
        read_calibration(tmp_path / "calibration.json", model_sha256="a")
