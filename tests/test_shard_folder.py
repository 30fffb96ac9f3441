"""Shards are whole LUNA16 folders with their own rows; nothing half-written is left or read."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from luna16.config import DataConfig
from luna16.inventory import read_inventory
from luna16.manifest import Manifest, check_shard, read_manifest
from luna16.recipe import By, Link, Recipe
from luna16.scan import find_scans, load_scan
from luna16.shard import deal_scans
from luna16.shard_folder import write_shards
from tests.small_data_set import write_small_data_set

SITES = ("north", "east", "south")
BY_SUBSET = Recipe(SITES)
RUN = "import sys; from luna16.cli import main; sys.argv[0] = 'luna16'; main()"
FILES_OF_100_BYTES = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); {RUN}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_small_data_set(tmp_path / "data")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def shard(root: Path, out: Path, recipe: Recipe = BY_SUBSET, *, replace: bool = False) -> list[Manifest]:
    return write_shards(root, out, deal_scans(read_inventory(root), recipe), recipe, replace=replace)


def read_uids(table: Path) -> list[str]:
    with table.open(newline="") as file:
        return [row["seriesuid"] for row in csv.DictReader(file)]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", Link)
def test_each_scan_reads_as_in_the_data_set(root: Path, out: Path, link: Link) -> None:
    shard(root, out, Recipe(SITES, link=link))
    scans = [load_scan(file) for site in SITES for file in find_scans(out / site)]
    for scan, original in zip(scans, map(load_scan, find_scans(root)), strict=True):
        assert (scan.series_uid, scan.geometry) == (original.series_uid, original.geometry)
        np.testing.assert_array_equal(scan.voxels_hu, original.voxels_hu)


def test_links_are_of_the_kind_asked_for(root: Path, tmp_path: Path) -> None:
    for link in Link:
        shard(root, tmp_path / link, Recipe(("north",), link=link))
    name = "north/subset0/2.25.00000.raw"
    source = root / "subset0" / "2.25.00000.raw"
    assert (tmp_path / "symlink" / name).readlink() == source
    assert (tmp_path / "hard" / name).samefile(source)
    assert not (tmp_path / "hard" / name).is_symlink()
    assert not (tmp_path / "copy" / name).samefile(source)


@pytest.mark.parametrize("table", ["annotations.csv", "annotations_excluded.csv", "candidates_V2.csv"])
def test_rows_are_divided_unchanged_and_none_is_lost(root: Path, out: Path, table: str) -> None:
    shard(root, out, Recipe(SITES, By.EQUAL))
    for site in SITES:
        assert set(read_uids(out / site / table)) <= {scan.series_uid for scan in find_scans(out / site)}
    lines = Counter(line for site in SITES for line in (out / site / table).read_text().splitlines()[1:])
    assert lines == Counter((root / table).read_text().splitlines()[1:])


def test_site_reads_its_shard_without_options(scans: Path, tmp_path: Path) -> None:
    from luna16.dataset import load_shard

    shard(scans, tmp_path / "out", Recipe(("north",)))
    config = DataConfig(patch_size_vox=8)
    found = load_shard(tmp_path / "out" / "north", tmp_path / "cache", config)
    expected = load_shard(scans, tmp_path / "other", config)
    assert found.train.series_uids == expected.train.series_uids
    assert found.validation.nodules == expected.validation.nodules
    np.testing.assert_array_equal(found.train.patches_hu, expected.train.patches_hu)


def test_manifest_tells_counts_and_origin(root: Path, out: Path) -> None:
    east = shard(root, out)[1]
    assert east == read_manifest(out / "east")
    assert (east.site, east.subsets) == ("east", (1,))
    assert (east.summary.num_scans, east.summary.num_scans_with_nodules) == (3, 2)
    assert (east.summary.num_nodules, east.summary.num_candidates) == (3, 6)  # 0 + 1 + 2, and one other each
    assert east.summary.diameter_bands.from_6_to_10_mm == 3
    assert east.scans[0].files[0].num_bytes == (root / "subset1" / "2.25.10000.mhd").stat().st_size


def test_sum_is_that_of_sha256sum(root: Path, out: Path) -> None:
    record = shard(root, out)[1].scans[2].files[1]
    printed = subprocess.check_output(["sha256sum", root / record.name], text=True)
    assert printed.split()[0] == record.sha256


def test_tables_may_name_scans_that_are_not_there(root: Path, out: Path) -> None:
    for path in root.glob("subset1/2.25.10002.*"):
        path.unlink()
    assert [manifest.summary.num_scans for manifest in shard(root, out)] == [3, 3, 2]
    assert (out / "south" / "seriesuids.csv").read_text() == "2.25.10000\n2.25.10001\n"
    assert check_shard(out / "south") == []


def test_shard_of_a_shard_links_to_the_scans_themselves(root: Path, out: Path, tmp_path: Path) -> None:
    shard(root, out, Recipe(("north",)))
    shard(out / "north", tmp_path / "second", Recipe(("a", "b")))
    links = [path.readlink() for path in (tmp_path / "second").rglob("*.mhd")]
    assert {path.parent.parent for path in links} == {root}


def test_folder_that_is_not_empty_is_left_as_it_is(root: Path, out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out is not empty. Name a new folder, or .* --force"):
        shard(root, out)
    assert snapshot(out) == {"notes.txt": b"mine"}


def test_scan_of_a_shard_made_earlier_is_refused(root: Path, out: Path) -> None:
    shard(root, out)
    before = snapshot(out)
    with pytest.raises(ValueError, match=r"3 of these scans are in .*east already"):
        shard(root, out, Recipe(("north", "west"), By.EQUAL), replace=True)
    assert snapshot(out) == before


def test_shards_of_other_scans_are_added(root: Path, out: Path, tmp_path: Path) -> None:
    shard(root, out)
    shutil.copytree(root / "subset0", tmp_path / "more" / "subset0")
    for path in (tmp_path / "more" / "subset0").iterdir():
        path.rename(path.with_name(path.name.replace("2.25.0", "2.25.7")))
        moved = path.with_name(path.name.replace("2.25.0", "2.25.7"))
        if moved.suffix == ".mhd":
            moved.write_text(moved.read_text().replace("2.25.0", "2.25.7"))
    for table in root.glob("*.csv"):
        (tmp_path / "more" / table.name).write_text(table.read_text().replace("2.25.0", "2.25.7"))
    shard(tmp_path / "more", out, Recipe(("west",)), replace=True)
    assert [check_shard(out / site) for site in (*SITES, "west")] == [[]] * 4


def test_shards_of_the_same_names_are_replaced(root: Path, out: Path) -> None:
    shard(root, out)
    shard(root, out, Recipe(SITES, By.EQUAL, Link.COPY), replace=True)
    assert [check_shard(out / site) for site in SITES] == [[], [], []]
    assert read_manifest(out / "north").subsets != (0,)
    assert sorted(path.name for path in out.iterdir()) == sorted(SITES)


def test_folder_that_is_no_shard_is_never_replaced(root: Path, out: Path) -> None:
    (out / "north").mkdir(parents=True)
    (out / "north" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"north is no shard: it has no manifest.json"):
        shard(root, out, replace=True)
    assert snapshot(out) == {"north/thesis.txt": b"mine"}


def test_shard_is_never_made_of_itself(root: Path, out: Path) -> None:
    shard(root, out, Recipe(("north",), link=Link.COPY))
    before = snapshot(out)
    with pytest.raises(
        ValueError, match=r"subset0, scan 1 of 3 in name order: this scan lies in .*out itself"
    ):
        shard(out / "north", out, Recipe(("north",)), replace=True)
    assert snapshot(out) == before


def test_header_that_is_a_link_to_itself_is_refused(root: Path, out: Path) -> None:
    header = find_scans(root)[4].path
    header.unlink()
    header.symlink_to(header)
    with pytest.raises(
        ValueError, match=r"^subset1, scan 2 of 3 in name order: .* a link that leads to itself"
    ):
        shard(root, out)
    assert not out.exists()


def test_missing_voxels_stop_it_without_a_trace(root: Path, out: Path) -> None:
    (root / "subset1" / "2.25.10001.zraw").unlink()
    with pytest.raises(ValueError, match=r"^subset1, scan 2 of 3 in name order: its .zraw file is missing"):
        shard(root, out)
    assert not out.exists()


def test_faulty_table_of_excluded_findings_stops_it(root: Path, out: Path) -> None:
    table = root / "annotations_excluded.csv"
    table.write_text(table.read_text().replace("1.0", "n/a", 1))
    with pytest.raises(ValueError, match=r"annotations_excluded.csv, line 2: coordX is 'n/a'"):
        shard(root, out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("symlink", "out: File too large. No shard was made; make room and try again."),
        ("copy", "in name order: --link copy failed (File too large)."),
    ],
)
def test_full_disk_leaves_nothing_behind(root: Path, out: Path, link: str, words: str) -> None:
    arguments = ["shard", root, out, "--sites", "north", "--link", link]
    ended = subprocess.run(
        [sys.executable, "-c", FILES_OF_100_BYTES, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "2.25." not in ended.stderr
    assert not out.exists()


def test_killed_command_leaves_no_shard_and_says_so_next_time(root: Path, out: Path) -> None:
    os.truncate(root / "subset0" / "2.25.00000.raw", 100 << 30)  # takes no room, but long to read
    process = subprocess.Popen([sys.executable, "-c", RUN, "shard", root, out, "--sites", "north"])
    while not (out / ".unfinished" / "new").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in out.iterdir()] == [".unfinished"]
    with pytest.raises(
        FileExistsError, match=r"another command works in .*out, or one was killed. Remove it"
    ):
        shard(root, out)
