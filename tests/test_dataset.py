"""A shard from disk: the right patches on the right side, cached, and refused in one line."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from luna16.annotations import Candidate
from luna16.array_file import StoredRows
from luna16.config import DataConfig
from luna16.dataset import PatchSet, Shard, load_shard, read_batch, sample_epoch
from luna16.patches import extract_patch
from luna16.phantom import ScanTask, write_scan, write_tables
from luna16.scan import find_scans, load_scan

CONFIG = DataConfig(patch_size_vox=8, patch_spacing_mm=2.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of three scans in subset0, and one scan of another site in subset1."""
    root = tmp_path_factory.mktemp("phantom")
    tasks = [ScanTask(0, 0, 0), ScanTask(0, 0, 1), ScanTask(0, 0, 2), ScanTask(0, 1, 0)]
    for subset in ("subset0", "subset1"):
        (root / subset).mkdir()
    write_tables(root, [write_scan(root, task) for task in tasks])
    return root


@pytest.fixture
def root(phantom: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(phantom, tmp_path / "data", copy_function=os.link))


def load(root: Path, cache: Path, config: DataConfig = CONFIG) -> Shard:
    return load_shard(root, cache, config, subsets=[0])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new, 1))


def make_patch_set(num_positives: int, num_negatives: int) -> PatchSet:
    labels = [True] * num_positives + [False] * num_negatives
    return PatchSet(
        patches_hu=np.arange(len(labels), dtype=np.int16)[:, None, None, None] * np.ones((8, 8, 8), np.int16),
        candidates=tuple(Candidate("2.25.1", (0.0, 0.0, 0.0), label) for label in labels),
        series_uids=("2.25.1",),
        nodules=(),
        excluded=(),
    )


def test_shard_divides_its_scans_and_keeps_all_candidates(phantom: Path, tmp_path: Path) -> None:
    shard = load(phantom, tmp_path)
    uids = {file.series_uid for file in find_scans(phantom, [0])}
    assert (shard.train.num_scans, shard.validation.num_scans) == (2, 1)
    assert set(shard.train.series_uids) | set(shard.validation.series_uids) == uids
    for side in (shard.train, shard.validation):
        assert {candidate.series_uid for candidate in side.candidates} <= set(side.series_uids)
        assert side.num_positives >= side.num_nodules > 0
        assert side.num_positives + side.num_negatives == len(side.patches_hu)
        assert len(side.excluded) == side.num_scans


def test_each_row_shows_its_own_candidate(phantom: Path, tmp_path: Path) -> None:
    validation = load(phantom, tmp_path).validation
    file = next(f for f in find_scans(phantom) if f.series_uid == validation.series_uids[0])
    scan = load_scan(file)
    for row in (0, len(validation.candidates) - 1):
        patch_hu = extract_patch(scan, validation.candidates[row].center_xyz_mm, CONFIG)
        np.testing.assert_array_equal(validation.patches_hu[row], patch_hu)


def test_test_scans_have_all_their_candidates_and_are_on_no_other_side(phantom: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"test_fraction": 0.3, "max_negatives_per_scan": 1})
    without, shard = (load(phantom, tmp_path / str(c.test_fraction), c) for c in (CONFIG, config))
    assert (without.test, len(without.sides), len(shard.sides)) == (None, 2, 3)
    assert shard.test
    assert sorted(shard.train.series_uids + shard.test.series_uids) == sorted(without.train.series_uids)
    (uid,) = shard.test.series_uids
    rows = np.array([candidate.series_uid == uid for candidate in without.train.candidates])
    np.testing.assert_array_equal(shard.test.patches_hu, without.train.patches_hu[rows])


def test_second_load_finds_the_cache_and_cuts_nothing(phantom: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        shard = load_shard(
            phantom, tmp_path, CONFIG, subsets=[0], on_progress=lambda *done: calls.append(done)
        )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert isinstance(shard.train.patches_hu, StoredRows)


def test_changed_candidate_is_cut_anew(root: Path, tmp_path: Path) -> None:
    load(root, tmp_path / "cache")
    table = root / "candidates_V2.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.unlink()
    table.write_text("".join([*lines[:-1], lines[-1].replace(",0\n", ",1\n")]))
    load(root, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("patches-*"))) == 1


def test_other_settings_are_cut_anew(phantom: Path, tmp_path: Path) -> None:
    load(phantom, tmp_path)
    shard = load(phantom, tmp_path, DataConfig(patch_size_vox=12))
    assert shard.train.patches_hu.shape[1:] == (12, 12, 12)


@pytest.mark.parametrize("name", ["candidates_V2.csv", "annotations.csv"])
def test_scan_with_a_candidate_or_nodule_outside_is_set_aside_by_line(
    root: Path, tmp_path: Path, name: str
) -> None:
    fields = (root / name).read_text().splitlines()[1].split(",")
    edit(root / name, ",".join(fields), ",".join([fields[0], "9999", *fields[2:]]))
    shard = load(root, tmp_path / "cache", CONFIG)
    (reason,) = shard.set_aside
    assert reason.endswith(f"{name}, line 2: The centre lies outside its scan.")
    assert fields[0] not in shard.train.series_uids + shard.validation.series_uids


def test_candidate_of_another_sites_scan_is_not_ours(phantom: Path, tmp_path: Path) -> None:
    shard = load(phantom, tmp_path)
    others = {file.series_uid for file in find_scans(phantom, [1])}
    ours = shard.train.candidates + shard.validation.candidates
    assert not others & {candidate.series_uid for candidate in ours}


def test_scan_that_is_not_listed(root: Path, tmp_path: Path) -> None:
    uid = find_scans(root, [0])[1].series_uid
    edit(root / "seriesuids.csv", f"{uid}\n", "")
    with pytest.raises(ValueError, match=r"subset0, scan 2 of 3 .*: this scan is not listed in seriesuids"):
        load(root, tmp_path / "cache")


def test_scan_with_a_missing_raw_file_is_set_aside(root: Path, tmp_path: Path) -> None:
    uid = load(root, tmp_path / "cache").train.series_uids[0]
    (root / "subset0" / f"{uid}.raw").unlink()
    shard = load(root, tmp_path / "cache")
    assert (shard.train.num_scans, shard.validation.num_scans) == (1, 1)
    assert {c.series_uid for c in shard.train.candidates} == set(shard.train.series_uids) != {uid}
    assert len(shard.train.patches_hu) == len(shard.train.candidates)
    (reason,) = shard.set_aside
    assert reason.endswith("of 3 in name order: its .raw file is missing.")


def test_shard_without_a_validation_scan_is_refused_with_the_reason(root: Path, tmp_path: Path) -> None:
    uid = load(root, tmp_path / "cache").validation.series_uids[0]
    (root / "subset0" / f"{uid}.raw").unlink()
    with pytest.raises(
        ValueError, match=r"No validation scan can be used. The first fault: .* file is missing"
    ):
        load(root, tmp_path / "cache")


def test_shard_without_a_nodule_cannot_train(root: Path, tmp_path: Path) -> None:
    table = root / "candidates_V2.csv"
    text = table.read_text().replace(",1\n", ",0\n")
    table.unlink()
    table.write_text(text)
    with pytest.raises(ValueError, match=r"2 training scans have 0 candidates that are nodules"):
        load(root, tmp_path / "cache")


def test_epoch_is_all_positives_and_a_sample_of_negatives() -> None:
    train = make_patch_set(4, 100)
    rows = sample_epoch(train, 2.5, np.random.default_rng(0))
    assert len(rows) == len(set(rows)) == 14
    assert set(rows[train.is_nodule[rows]]) == {0, 1, 2, 3}


def test_epoch_takes_no_more_negatives_than_there_are() -> None:
    rows = sample_epoch(make_patch_set(4, 5), 10.0, np.random.default_rng(0))
    assert sorted(rows) == list(range(9))


def test_epochs_draw_other_negatives() -> None:
    random = np.random.default_rng(0)
    first, second = (set(sample_epoch(make_patch_set(2, 500), 5.0, random)) for _ in range(2))
    assert first != second


def test_epoch_without_positives_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"have 0 candidates that are nodules and 3 that are not"):
        sample_epoch(make_patch_set(0, 3), 1.0, np.random.default_rng(0))


def test_batch_holds_the_rows_asked_for() -> None:
    patches, targets = read_batch(make_patch_set(1, 2), np.array([2, 0]), DataConfig(patch_size_vox=8), CPU)
    assert patches.shape == (2, 1, 8, 8, 8)
    assert targets.tolist() == [0.0, 1.0]
    assert patches[:, 0, 0, 0, 0].tolist() == pytest.approx([1002 / 1400, 1000 / 1400])


def test_no_repr_shows_the_uid(phantom: Path, tmp_path: Path) -> None:
    assert "2.25." not in repr(load(phantom, tmp_path))
