"""A shard is compared with its manifest: files, sums and counts, and never a series UID in what is said."""

import json
from pathlib import Path

import pytest

from luna16.inventory import read_inventory
from luna16.manifest import Difference, DifferenceKind, check_shard, read_manifest, write_manifest
from luna16.recipe import Link, Recipe
from luna16.shard import deal_scans
from luna16.shard_folder import write_shards
from tests.small_data_set import write_small_data_set


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Copies of all nine scans, as one site holds them."""
    root, recipe = write_small_data_set(tmp_path / "data"), Recipe(("north",), link=Link.COPY)
    write_shards(root, tmp_path / "out", deal_scans(read_inventory(root), recipe), recipe)
    return tmp_path / "out" / "north"


def kinds(differences: list[Difference]) -> list[tuple[str, str]]:
    return [(difference.place, str(difference.kind)) for difference in differences]


def test_new_shard_is_as_its_manifest_says(shard: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_shard(shard, lambda *progress: seen.append(progress)) == []
    assert seen[-1] == (22, 22)  # nine headers, nine voxel files, four tables


def test_manifest_is_read_as_written(shard: Path, tmp_path: Path) -> None:
    manifest = read_manifest(shard)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_missing_voxels_are_named_by_place(shard: Path) -> None:
    (shard / "subset1" / "2.25.10001.zraw").unlink()
    assert kinds(check_shard(shard)) == [("subset1, scan 2 of 3, .zraw", "missing")]


def test_one_other_byte_is_found(shard: Path) -> None:
    path = shard / "subset0" / "2.25.00002.raw"
    path.write_bytes(b"\x07" + path.read_bytes()[1:])
    assert check_shard(shard) == [
        Difference(
            "subset0, scan 3 of 3, .raw",
            DifferenceKind.CHANGED,
            "as long as expected, but its sha256 is another",
        )
    ]


def test_cut_file_is_told_with_both_lengths(shard: Path) -> None:
    path = shard / "subset0" / "2.25.00002.raw"
    path.write_bytes(path.read_bytes()[:100])
    assert [difference.detail for difference in check_shard(shard)] == ["100 bytes, expected 240"]


def test_added_files_are_counted_by_folder_and_not_named(shard: Path) -> None:
    (shard / "subset2" / "2.25.9.raw").write_text("")
    (shard / "2.25.9").mkdir()
    (shard / "2.25.9" / "notes.txt").write_text("")
    differences = check_shard(shard)
    assert kinds(differences) == [("beside the subsets", "extra"), ("subset2", "extra")]
    assert "2.25." not in str(differences)


def test_added_link_to_a_folder_is_found(shard: Path) -> None:
    (shard / "subset9").symlink_to(shard / "subset0")
    assert ("beside the subsets", "extra") in kinds(check_shard(shard))


def test_added_row_changes_a_table_and_the_counts(shard: Path) -> None:
    table = shard / "annotations.csv"
    table.write_text(table.read_text() + "2.25.00000,1,2,3,30\n")
    assert kinds(check_shard(shard)) == [
        ("annotations.csv", "changed"),
        ("num_scans_with_nodules", "counts"),
        ("num_nodules", "counts"),
        ("largest_diameter_mm", "counts"),
        ("over_10_mm", "counts"),
    ]


def test_removed_scan_is_missing_and_not_counted(shard: Path) -> None:
    for path in (shard / "subset2").glob("2.25.20002.*"):
        path.unlink()
    differences = check_shard(shard)
    assert kinds(differences)[:2] == [
        ("subset2, scan 3 of 3, .mhd", "missing"),
        ("subset2, scan 3 of 3, .raw", "missing"),
    ]
    assert Difference("num_scans", DifferenceKind.COUNTS, "8, expected 9") in differences


def test_damaged_table_is_one_line_among_the_others(shard: Path) -> None:
    table = shard / "annotations.csv"
    table.write_text(table.read_text().replace("1.0", "n/a", 1))
    assert kinds(check_shard(shard)) == [("annotations.csv", "changed"), ("the shard", "unreadable")]


def test_file_that_cannot_be_read_shows_no_uid(shard: Path) -> None:
    path = shard / "subset0" / "2.25.00000.raw"
    path.unlink()
    path.symlink_to(path.name)  # a link to itself is an OSError even for root, who may read everything
    differences = check_shard(shard)
    assert kinds(differences)[0][0] == "subset0, scan 1 of 3, .raw"
    assert "2.25." not in str(differences)


def test_folder_without_manifest(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No manifest.json in .*Name the folder of a shard"):
        check_shard(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, r"format_version: Input should be 1"),
        ({"scans": [{"series_uid": "2.25.7"}]}, r"scans.0.subset: Field required"),
    ],
)
def test_damaged_manifest_is_one_line_without_its_content(shard: Path, change: dict, words: str) -> None:
    manifest = json.loads((shard / "manifest.json").read_text())
    (shard / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(ValueError, match=words) as caught:
        check_shard(shard)
    assert "2.25." not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_manifest_is_refused(shard: Path) -> None:
    path = shard / "manifest.json"
    path.write_text(path.read_text()[:500])
    with pytest.raises(ValueError, match=r"manifest.json is damaged.* Make the shard again"):
        check_shard(shard)
