from dataclasses import replace
from pathlib import Path

import pytest

from fl_monitor.scan_models import ModelMissingError, copy_model, find_model
from fl_store.sqlite import SqliteStore
from tests.sent_scans import WEIGHTS, keep_model


def test_best_model_of_the_newest_run_comes_first(store: SqliteStore, tmp_path: Path) -> None:
    for run_id in ("run-1", "run-2"):
        for kind in ("last", "best"):
            keep_model(store, tmp_path, run_id, kind)
    assert find_model(store, tmp_path, "").name == "run-2/best"
    assert find_model(store, tmp_path, "run-1/last").name == "run-1/last"
    assert find_model(store, tmp_path, "../x") is None


def test_model_says_what_it_is(store: SqliteStore, tmp_path: Path) -> None:
    keep_model(store, tmp_path)
    assert find_model(store, tmp_path, "").describe() == "Pilot, best model, round 3, CPM 0.710"


def test_model_whose_file_is_elsewhere_is_not_offered(store: SqliteStore, tmp_path: Path) -> None:
    keep_model(store, tmp_path)
    assert find_model(store, tmp_path / "elsewhere", "") is None


def test_copy_is_the_model_with_its_json(store: SqliteStore, tmp_path: Path) -> None:
    keep_model(store, tmp_path)
    path = copy_model(store, tmp_path, "run-1/best", tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert path.with_suffix(".json").read_text() == "{}"


def test_changed_or_lost_model_is_told(store: SqliteStore, tmp_path: Path) -> None:
    row = keep_model(store, tmp_path)
    (tmp_path / "runs/run-1/best.json").unlink()
    with pytest.raises(ModelMissingError, match="lacks the JSON"):
        copy_model(store, tmp_path, "run-1/best", tmp_path)
    store.put([replace(row, sha256="0" * 64)])
    with pytest.raises(ModelMissingError, match="its sha256 differs"):
        copy_model(store, tmp_path, "run-1/best", tmp_path)
    (tmp_path / "runs/run-1/best.safetensors").unlink()
    with pytest.raises(ModelMissingError, match="no longer here"):
        copy_model(store, tmp_path, "run-1/best", tmp_path)
