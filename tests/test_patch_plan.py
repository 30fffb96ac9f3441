"""Which patches are kept: all that a score needs, and no more negatives of a training scan than asked for."""

import shutil
from pathlib import Path

import pytest

from luna16.config import DataConfig
from luna16.patch_plan import PatchPlan, plan_patches

CAPPED = DataConfig(max_negatives_per_scan=5)


@pytest.fixture
def root(scans: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(scans, tmp_path / "data"))


def centers_of(plan: PatchPlan, uid: str) -> list[tuple[float, float, float]]:
    return [candidate.center_xyz_mm for candidate in plan.cuts[uid].candidates]


def test_all_candidates_are_kept_where_no_scan_has_too_many(scans: Path) -> None:
    plan = plan_patches(scans, DataConfig())
    assert plan.num_patches == (scans / "candidates_V2.csv").read_text().count("\n") - 1
    assert plan.num_left_out == 0


def test_training_keeps_all_nodules_and_at_most_so_many_others(scans: Path) -> None:
    lines = (scans / "candidates_V2.csv").read_text().splitlines()
    plan = plan_patches(scans, CAPPED)
    for uid in plan.split.train:
        kept = [candidate.is_nodule for candidate in plan.cuts[uid].candidates]
        assert sum(kept) == sum(line.startswith(uid) and line.endswith(",1") for line in lines)
        assert kept.count(False) == 5


def test_validation_keeps_all_candidates(scans: Path) -> None:
    plan = plan_patches(scans, CAPPED)
    (uid,) = plan.split.validation
    assert len(plan.cuts[uid].candidates) == (scans / "candidates_V2.csv").read_text().count(uid)


def test_what_is_not_kept_is_counted(scans: Path) -> None:
    plan = plan_patches(scans, CAPPED)
    assert plan.num_left_out == plan_patches(scans, DataConfig()).num_patches - plan.num_patches > 0


def test_sample_of_a_scan_does_not_depend_on_other_scans(root: Path) -> None:
    before = plan_patches(root, CAPPED)
    table = root / "candidates_V2.csv"
    first, last = before.split.train
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith(first)))
    after = plan_patches(root, CAPPED)
    assert centers_of(after, first) == []
    assert centers_of(after, last) == centers_of(before, last)


def test_another_seed_draws_other_negatives(scans: Path) -> None:
    plans = [plan_patches(scans, DataConfig(max_negatives_per_scan=5, split_seed=seed)) for seed in range(10)]
    uid = next(iter(plans[0].files))
    drawn = {tuple(centers_of(plan, uid)) for plan in plans if uid in plan.split.train}
    assert len(drawn) > 1


def test_key_is_the_same_wherever_the_data_lie(scans: Path, root: Path) -> None:
    assert plan_patches(root, CAPPED).make_key() == plan_patches(scans, CAPPED).make_key()


def test_key_tells_of_a_changed_table_setting_or_scan(root: Path) -> None:
    keys = [plan_patches(root, DataConfig()).make_key(), plan_patches(root, CAPPED).make_key()]
    table = root / "annotations.csv"
    table.write_text(table.read_text().replace("\n", "\r\n"))
    keys.append(plan_patches(root, DataConfig()).make_key())
    next((root / "subset0").glob("*.raw")).touch()
    keys.append(plan_patches(root, DataConfig()).make_key())
    assert len(set(keys)) == 4


def test_no_repr_shows_a_uid(scans: Path) -> None:
    plan = plan_patches(scans, DataConfig())
    assert "2.25." not in repr(plan) + repr(next(iter(plan.cuts.values())))
