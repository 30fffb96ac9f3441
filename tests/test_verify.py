"""A whole data set is checked: what lies where, what is there twice, and what may be used."""

import csv
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from luna16.faults import Fault, FaultKind
from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.phantom import write_image
from luna16.phantom_scanner import SCANNERS
from luna16.scan import find_scans, load_scan
from luna16.verify import describe, verify, write_report
from tests.conftest import ROOT, require

REAL_TABLES = ROOT.parent / "shared" / "data" / "luna16"


@pytest.fixture
def root(tmp_path: Path, scans: Path) -> Path:
    return shutil.copytree(scans, tmp_path / "data")


def uids(root: Path) -> list[str]:
    return [file.series_uid for file in find_scans(root)]


def only_fault(faults: tuple[Fault, ...]) -> Fault:
    (fault,) = faults
    return fault


def rename_scan(folder: Path, old: str, new: str) -> None:
    for suffix in (".mhd", ".raw"):
        (folder / f"{old}{suffix}").rename(folder / f"{new}{suffix}")
    header = folder / f"{new}.mhd"
    header.write_text(header.read_text().replace(old, new))


def test_sound_data_set(root: Path) -> None:
    report = verify(root, num_jobs=2)
    assert (report.faults, report.notes) == ((), ())
    assert report.sound == set(uids(root))
    assert report.set_aside == frozenset()


def test_data_set_is_not_changed(root: Path) -> None:
    def read() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(root.rglob("*"))}

    before = read()
    verify(root, num_jobs=1)
    assert read() == before


def test_bad_scan_is_set_aside_and_the_others_are_used(root: Path) -> None:
    first, second, third = uids(root)
    os.truncate(root / "subset0" / f"{second}.raw", 100)
    report = verify(root, num_jobs=2)
    fault = only_fault(report.faults)
    assert (fault.kind, fault.place) == (FaultKind.VOXEL_LENGTH, "subset0, scan 2 of 3 in name order")
    assert (report.sound, report.set_aside) == ({first, third}, {second})


def test_many_processes_find_what_one_finds(root: Path) -> None:
    first, _, third = uids(root)
    os.truncate(root / "subset0" / f"{first}.raw", 100)
    (root / "subset0" / f"{third}.mhd").write_text("NDims = 3\n")
    assert verify(root, num_jobs=3) == verify(root, num_jobs=1)


def test_progress_is_told_for_each_scan(root: Path) -> None:
    told: list[tuple[int, int]] = []
    verify(root, num_jobs=2, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_scan_in_two_subsets_is_set_aside(root: Path) -> None:
    twice = uids(root)[1]
    (root / "subset1").mkdir()
    for path in (root / "subset0").glob(f"{twice}.*"):
        shutil.copy(path, root / "subset1")
    report = verify(root, num_jobs=1)
    fault = only_fault(report.faults)
    assert (fault.kind, fault.place) == (FaultKind.TWO_PLACES, "subset1, scan 1 of 1 in name order")
    assert fault.detail == "also subset0, scan 2 of 3 in name order."
    assert report.set_aside == {twice}


def copy_under_another_uid(root: Path) -> tuple[str, str]:
    first = uids(root)[0]
    (root / "subset1").mkdir()
    for path in (root / "subset0").glob(f"{first}.*"):
        shutil.copy(path, root / "subset1")
    rename_scan(root / "subset1", first, "2.25.1")
    with (root / "seriesuids.csv").open("a") as table:
        table.write("2.25.1\n")
    return first, "2.25.1"


def test_one_of_two_scans_with_the_same_voxels_is_set_aside(root: Path) -> None:
    _, copy = copy_under_another_uid(root)
    report = verify(root, num_jobs=1)
    fault = only_fault(report.faults)
    assert fault.kind is FaultKind.SAME_VOXELS
    assert fault.detail == "the voxels of subset0, scan 1 of 3 in name order."
    assert report.set_aside == {copy}


def test_same_voxels_are_known_when_one_file_is_compressed(root: Path) -> None:
    copy_under_another_uid(root)
    (file,) = find_scans(root, [1])
    scan = load_scan(file)
    compressed = next(scanner for scanner in SCANNERS if scanner.is_compressed)
    file.path.with_suffix(".raw").unlink()
    write_image(file.path, scan.voxels_hu, scan.geometry, compressed)
    assert only_fault(verify(root, num_jobs=1).faults).kind is FaultKind.SAME_VOXELS


def test_of_two_scans_with_the_same_voxels_a_sound_one_is_kept(root: Path) -> None:
    first, copy = copy_under_another_uid(root)
    path = root / "annotations.csv"
    path.write_text(re.sub(rf"{first},[^,]+", f"{first},99999", path.read_text(), count=1))
    report = verify(root, num_jobs=1)
    assert [fault.kind for fault in report.faults] == [FaultKind.OUTSIDE, FaultKind.SAME_VOXELS]
    assert copy in report.sound
    assert first in report.set_aside


def test_row_outside_its_scan_sets_the_scan_aside(root: Path) -> None:
    path = root / "candidates_V2.csv"
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    lines[3] = ",".join([cells[0], "99999", *cells[2:]])
    path.write_text("\n".join(lines) + "\n")
    report = verify(root, num_jobs=1)
    assert only_fault(report.faults).place == "candidates_V2.csv, line 4"
    assert report.set_aside == {cells[0]}


def test_swapped_columns_are_a_fault_of_the_table(root: Path) -> None:
    path = root / "candidates_V2.csv"
    path.write_text(
        re.sub(r"^([^,]+),([\d.-]+),([\d.-]+),", r"\1,\3,\2,", path.read_text(), flags=re.MULTILINE)
    )
    report = verify(root, num_jobs=1)
    assert FaultKind.SWAPPED in {fault.kind for fault in report.faults}


def test_empty_subset_and_voxels_without_header(root: Path) -> None:
    (root / "subset4").mkdir()
    (root / "subset0" / "2.25.8.zraw").write_bytes(b"x")
    faults = {fault.kind: fault for fault in verify(root, num_jobs=1).faults}
    assert faults[FaultKind.EMPTY_SUBSET].place == "subset4"
    assert faults[FaultKind.NO_HEADER].detail == "1 voxel files without a .mhd of that name."


def test_folder_without_a_scan(tmp_path: Path) -> None:
    (tmp_path / "subset0").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no subset folder holds a .mhd file. Are the archives"):
        verify(tmp_path)


def test_worker_that_is_killed_costs_only_its_scan(root: Path) -> None:
    first, *others = uids(root)
    voxels = root / "subset0" / f"{first}.raw"
    with voxels.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file, and a header to match: it takes until the worker is killed
    header = voxels.with_suffix(".mhd")
    header.write_text(re.sub("DimSize = .*", f"DimSize = 1024 1024 {1 << 19}", header.read_text()))

    def kill_the_other(num_done: int, _: int) -> None:
        if num_done == len(others):
            for child in psutil.Process().children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()

    report = verify(root, num_jobs=2, on_progress=kill_the_other)
    fault = only_fault(report.faults)
    assert (fault.kind, fault.series_uid) == (FaultKind.NOT_CHECKED, first)
    assert report.sound == set(others)


def test_report_is_written_whole_and_as_it_is(root: Path, tmp_path: Path) -> None:
    os.truncate(root / "subset0" / f"{uids(root)[1]}.raw", 100)
    report = verify(root, num_jobs=1)
    write_report(report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written == json.loads(json.dumps(describe(report)))
    assert written["set_aside"] == [uids(root)[1]]
    assert [scan["is_sound"] for scan in written["scans"]] == [True, False, True]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.json"]


def test_report_that_cannot_be_written_leaves_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_report(verify(root, num_jobs=1), tmp_path / "report.json")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "report.json"}


def test_subset_that_may_not_be_listed_is_a_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "subset7").mkdir()
    listed = Path.iterdir

    def refuse_subset7(path: Path) -> Iterator[Path]:
        if path.name == "subset7":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse_subset7)
    (fault,) = verify(root, num_jobs=1).faults
    assert (fault.kind, fault.place) == (FaultKind.UNREADABLE, "subset7")


def test_no_repr_shows_a_uid(root: Path) -> None:
    first = uids(root)[0]
    os.truncate(root / "subset0" / f"{first}.raw", 100)
    assert first not in repr(verify(root, num_jobs=1))


def read_rows(name: str) -> list[dict[str, str]]:
    with (REAL_TABLES / name).open(newline="") as table:
        return list(csv.DictReader(table))


def write_coarse_scans(root: Path, findings: list[dict[str, str]]) -> None:
    """Write a tiny scan of random voxels for each real series, which is as large as its findings need."""
    places: defaultdict[str, list[list[float]]] = defaultdict(lambda: [[0.0, 0.0, 0.0]])
    for row in findings:
        places[row["seriesuid"]].append([float(row[axis]) for axis in ("coordX", "coordY", "coordZ")])
    random = np.random.default_rng(0)
    for subset, series_uids in json.loads((REAL_TABLES / "subset_to_seriesuids.json").read_text()).items():
        (root / f"subset{subset}").mkdir(parents=True)
        for series_uid in series_uids:
            low_mm, high_mm = np.min(places[series_uid], axis=0), np.max(places[series_uid], axis=0)
            x, y, z = (np.ceil((high_mm - low_mm) / 10).astype(int) + 1).tolist()
            x_mm, y_mm, z_mm = low_mm.tolist()
            geometry = Geometry((x_mm, y_mm, z_mm), (10.0, 10.0, 10.0), AXIAL_DIRECTION, (z, y, x))
            voxels_hu = random.integers(-1000, 400, (z, y, x), dtype=np.int16)
            voxels_hu.flat[:2] = -1000, 400
            write_image(root / f"subset{subset}" / f"{series_uid}.mhd", voxels_hu, geometry, SCANNERS[0])


@pytest.mark.slow
def test_real_tables_are_sound_with_888_scans_in_10_subsets(tmp_path: Path) -> None:
    require(REAL_TABLES, why="the challenge's tables are not part of the project")
    findings = [*read_rows("annotations.csv"), *read_rows("annotations_excluded.csv")]
    write_coarse_scans(tmp_path, findings)
    for name in ("annotations.csv", "annotations_excluded.csv", "seriesuids.csv"):
        shutil.copy(REAL_TABLES / name, tmp_path)
    candidates = [",".join(list(row.values())[:4]) + ",1\n" for row in findings]
    (tmp_path / "candidates_V2.csv").write_text(
        "seriesuid,coordX,coordY,coordZ,class\n" + "".join(candidates)
    )
    report = verify(tmp_path)
    assert (report.faults, report.notes) == ((), ())
    assert len(report.sound) == 888
    assert len({scan.file.subset for scan in report.scans}) == 10
    assert report.num_rows["annotations.csv"] == 1186
    assert report.num_rows["annotations_excluded.csv"] == 35192
