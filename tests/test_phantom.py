"""The synthetic data set: exact layout, repeatable, and no riddle that brightness alone solves."""

import filecmp
from pathlib import Path

import numpy as np
import pytest

from luna16.annotations import read_candidates, read_excluded, read_nodules, read_series_uids
from luna16.config import DataConfig
from luna16.counts import roc_auc
from luna16.froc import is_hit
from luna16.patches import extract_patch
from luna16.phantom import ScanRows, ScanTask, write_phantom, write_scan
from luna16.scan import find_scans, load_scan

pytestmark = pytest.mark.slow

NUM_SITES, SCANS_PER_SITE = 3, 3


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantom") / "data"
    write_phantom(root, num_sites=NUM_SITES, scans_per_site=SCANS_PER_SITE, seed=0)
    return root


@pytest.fixture(scope="module")
def patches(phantom: Path) -> tuple[np.ndarray, np.ndarray]:
    """All patches of the phantom, int16 HU of shape (N, 32, 32, 32), and which are nodules."""
    scans = {file.series_uid: load_scan(file) for file in find_scans(phantom)}
    candidates = read_candidates(phantom)
    patches_hu = [extract_patch(scans[c.series_uid], c.center_xyz_mm, DataConfig()) for c in candidates]
    return np.stack(patches_hu), np.array([c.is_nodule for c in candidates])


def write_one(root: Path, task: ScanTask) -> ScanRows:
    (root / f"subset{task.site_no}").mkdir(parents=True)
    return write_scan(root, task)


def auc_of(values: np.ndarray, is_nodule: np.ndarray) -> float:
    rank = np.searchsorted(np.unique(values), values)
    auc = roc_auc(
        np.bincount(rank[is_nodule], minlength=rank.max() + 1),
        np.bincount(rank[~is_nodule], minlength=rank.max() + 1),
    )
    assert auc is not None
    return max(auc, 1 - auc)


def test_layout_is_that_of_luna16(phantom: Path) -> None:
    tables = [
        "annotations.csv",
        "annotations_excluded.csv",
        "candidates_V2.csv",
        "scanners.csv",
        "seriesuids.csv",
    ]
    assert sorted(path.name for path in phantom.iterdir()) == [*tables, "subset0", "subset1", "subset2"]
    for subset, suffix in (("subset0", ".raw"), ("subset1", ".zraw"), ("subset2", ".raw")):
        names = sorted(path.suffix for path in (phantom / subset).iterdir())
        assert names == sorted([".mhd", suffix] * SCANS_PER_SITE)


def test_tables_have_the_challenges_headers(phantom: Path) -> None:
    heads = {path.name: path.read_text().splitlines()[0].split(",") for path in phantom.glob("*.csv")}
    assert heads["candidates_V2.csv"] == ["seriesuid", "coordX", "coordY", "coordZ", "class"]
    assert heads["annotations.csv"] == ["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"]
    assert heads["annotations_excluded.csv"] == heads["annotations.csv"]
    assert len(heads["seriesuids.csv"]) == 1


def test_uids_are_derived_from_a_uuid(phantom: Path) -> None:
    uids = read_series_uids(phantom)
    assert len(set(uids)) == NUM_SITES * SCANS_PER_SITE
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)


def test_every_nodule_has_a_candidate_within_its_radius(phantom: Path) -> None:
    candidates = [c for c in read_candidates(phantom) if c.is_nodule]
    for nodule in read_nodules(phantom):
        centers_xyz_mm = [c.center_xyz_mm for c in candidates if c.series_uid == nodule.series_uid]
        assert is_hit(np.array(centers_xyz_mm), nodule).any()


def test_no_look_alike_lies_on_a_nodule(phantom: Path) -> None:
    nodules = read_nodules(phantom)
    for candidate in read_candidates(phantom):
        ours = [n for n in nodules if n.series_uid == candidate.series_uid]
        on_nodule = any(is_hit(np.array([candidate.center_xyz_mm]), nodule)[0] for nodule in ours)
        assert on_nodule == candidate.is_nodule


def test_every_candidate_lies_in_its_scan_whatever_the_direction(phantom: Path) -> None:
    geometries = {file.series_uid: load_scan(file).geometry for file in find_scans(phantom)}
    assert len({geometry.direction for geometry in geometries.values()}) == 2
    assert all(geometries[c.series_uid].contains(c.center_xyz_mm) for c in read_candidates(phantom))


def test_solid_tissue_is_found_at_the_nodules_of_each_site(phantom: Path) -> None:
    """The world positions agree with the voxels: a wrong geometry would show lung there."""
    for file in find_scans(phantom):
        scan = load_scan(file)
        nodules = [n for n in read_nodules(phantom) if n.series_uid == file.series_uid]
        centers = [tuple(round(i) for i in scan.geometry.world_to_voxel(n.center_xyz_mm)) for n in nodules]
        assert np.median([scan.voxels_hu[center] for center in centers]) > -200


def test_some_findings_are_excluded_and_of_unknown_diameter(phantom: Path) -> None:
    excluded = read_excluded(phantom)
    assert len(excluded) == NUM_SITES * SCANS_PER_SITE
    assert {finding.diameter_mm for finding in excluded} == {-1.0}


def test_each_site_has_a_scanner_of_its_own(phantom: Path) -> None:
    paddings = [load_scan(file).voxels_hu.min() for file in find_scans(phantom)[::SCANS_PER_SITE]]
    assert paddings == [-1024, -2000, -3024]


@pytest.mark.parametrize("side_vox", [2, 8, 32])
def test_brightness_alone_does_not_tell_a_nodule(
    patches: tuple[np.ndarray, np.ndarray], side_vox: int
) -> None:
    patches_hu, is_nodule = patches
    middle = slice(16 - side_vox // 2, 16 + side_vox // 2)
    assert auc_of(patches_hu[:, middle, middle, middle].mean(axis=(1, 2, 3)), is_nodule) < 0.65


def test_brightest_voxel_does_not_tell_a_nodule(patches: tuple[np.ndarray, np.ndarray]) -> None:
    patches_hu, is_nodule = patches
    assert auc_of(patches_hu[:, 12:20, 12:20, 12:20].max(axis=(1, 2, 3)), is_nodule) < 0.65


@pytest.mark.parametrize("site_no", [0, 1, 2])
def test_same_seed_gives_the_same_bytes(tmp_path: Path, site_no: int) -> None:
    first, second = (write_one(tmp_path / name, ScanTask(7, site_no, 0)) for name in "ab")
    assert first == second
    names = [path.name for path in (tmp_path / f"a/subset{site_no}").iterdir()]
    _, different, missing = filecmp.cmpfiles(
        tmp_path / f"a/subset{site_no}", tmp_path / f"b/subset{site_no}", names, shallow=False
    )
    assert (len(names), different, missing) == (2, [], [])


def test_scan_does_not_depend_on_how_many_are_made(phantom: Path, tmp_path: Path) -> None:
    rows = write_one(tmp_path, ScanTask(0, 1, 2))
    assert rows.series_uid == read_series_uids(phantom)[SCANS_PER_SITE + 2]
    (made,) = tmp_path.glob("subset1/*.zraw")
    assert made.read_bytes() == (phantom / "subset1" / made.name).read_bytes()


def test_another_seed_gives_another_scan(tmp_path: Path) -> None:
    first, second = (write_one(tmp_path / str(seed), ScanTask(seed, 0, 0)) for seed in (0, 1))
    assert first.series_uid != second.series_uid
    assert first.nodules != second.nodules


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"is not an empty folder. Name a new one, or remove it first"):
        write_phantom(tmp_path, num_sites=1, scans_per_site=1, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_empty_folder_is_filled_and_progress_told(tmp_path: Path) -> None:
    out, done = tmp_path / "out", []
    out.mkdir()
    write_phantom(out, num_sites=1, scans_per_site=2, seed=0, on_progress=lambda *p: done.append(p))
    assert done == [(1, 2), (2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(find_scans(out)) == 2


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "out", num_sites=1, scans_per_site=2, seed=0, on_progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("num_sites", "scans_per_site"), [(0, 1), (1, 0)])
def test_nothing_to_do_is_an_error(tmp_path: Path, num_sites: int, scans_per_site: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1 of each"):
        write_phantom(tmp_path, num_sites=num_sites, scans_per_site=scans_per_site, seed=0)
