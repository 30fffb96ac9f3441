"""The challenge's tables, read whole or refused with file, line, column and value."""

from collections import Counter
from pathlib import Path

import pytest

from luna16.annotations import (
    Candidate,
    Nodule,
    group_by_series,
    read_candidates,
    read_excluded,
    read_nodules,
    read_series_uids,
)

REAL_TABLES = Path(__file__).parents[2] / "shared" / "data" / "luna16"
CANDIDATES = "seriesuid,coordX,coordY,coordZ,class\n2.25.1,1.5,-2,3e1,1\n2.25.2,4,5,6,0\n"
ANNOTATIONS = "seriesuid,coordX,coordY,coordZ,diameter_mm\n2.25.1,1.5,-2,30,8.25\n"
EXCLUDED = "seriesuid,coordX,coordY,coordZ,diameter_mm\n2.25.2,4,5,6,-1\n"

needs_real_tables = pytest.mark.skipif(
    not REAL_TABLES.is_dir(), reason=f"the challenge's tables are not at {REAL_TABLES}"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "seriesuids.csv").write_text("2.25.1\n2.25.2\n")
    (tmp_path / "candidates_V2.csv").write_text(CANDIDATES)
    (tmp_path / "annotations.csv").write_text(ANNOTATIONS)
    (tmp_path / "annotations_excluded.csv").write_text(EXCLUDED)
    return tmp_path


def test_tables_are_read_as_written(root: Path) -> None:
    assert read_series_uids(root) == ["2.25.1", "2.25.2"]
    assert read_candidates(root) == [
        Candidate("2.25.1", (1.5, -2.0, 30.0), is_nodule=True, line_no=2),
        Candidate("2.25.2", (4.0, 5.0, 6.0), is_nodule=False, line_no=3),
    ]
    assert read_nodules(root) == [Nodule("2.25.1", (1.5, -2.0, 30.0), 8.25, line_no=2)]
    assert read_excluded(root) == [Nodule("2.25.2", (4.0, 5.0, 6.0), -1.0, line_no=2)]


def test_only_the_scans_asked_for_are_read(root: Path) -> None:
    assert [candidate.line_no for candidate in read_candidates(root, only={"2.25.2"})] == [3]


def test_tables_may_lie_in_csvfiles(root: Path) -> None:
    folder = root / "CSVFILES"
    folder.mkdir()
    for path in root.glob("*.csv"):
        path.rename(folder / path.name)
    assert len(read_candidates(root)) == 2


def test_byte_order_mark_and_windows_line_ends_are_fine(root: Path) -> None:
    text = "\ufeff" + CANDIDATES.replace("\n", "\r\n")
    (root / "candidates_V2.csv").write_bytes(text.encode())
    (root / "seriesuids.csv").write_bytes("\ufeff2.25.1\r\n2.25.2\r\n".encode())
    assert len(read_candidates(root)) == 2


@pytest.mark.parametrize("separator", [";", "\t"])
def test_table_with_another_separator_is_named_as_such(root: Path, separator: str) -> None:
    path = root / "annotations.csv"
    path.write_text(path.read_text().replace(",", separator))
    with pytest.raises(
        ValueError, match=r"^annotations.csv, line 1: column seriesuid .* Save it with commas.$"
    ):
        read_nodules(root)


def test_table_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ValueError, match=r"^seriesuids.csv cannot be read \(Permission denied\)\. Check its"):
        read_candidates(root)


def test_missing_table_is_named_with_both_places(root: Path) -> None:
    (root / "candidates_V2.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"No candidates_V2.csv in .* or .*CSVFILES"):
        read_candidates(root)


FAULTS = [
    ("30,8.25", "n/a,8.25", "annotations.csv, line 2: coordZ is 'n/a', expected a number in mm."),
    ("30,8.25", "inf,8.25", "annotations.csv, line 2: coordZ is 'inf', expected a number in mm."),
    ("30,8.25", "1e300,8", "annotations.csv, line 2: coordZ is '1e300', expected -100000 to 100000 mm."),
    ("30,8.25", "30,1e9", "annotations.csv, line 2: diameter_mm is '1e9', expected -100000 to 100000 mm."),
    ("30,8.25", "30,201", "annotations.csv, line 2: diameter_mm is '201', expected more than 0 and at most"),
    ("30,8.25", "30,0.0", "annotations.csv, line 2: diameter_mm is '0.0', expected more than 0 and at most"),
    ("1.5", "2.25.1", "annotations.csv, line 2: coordX is a series UID, expected a number in mm."),
    ("30,8.25", "30,", "annotations.csv, line 2: diameter_mm is empty."),
    ("30,8.25", "30", "annotations.csv, line 2: diameter_mm is empty."),
    (",diameter_mm", "", "annotations.csv, line 1: column diameter_mm is missing, expected seriesuid,"),
    ("2.25.1", "2.25.7", "annotations.csv, line 2: its scan is not listed in seriesuids.csv."),
    ("1.5", '"1.5', "annotations.csv, line 2: not a CSV line"),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_faulty_line_is_named(root: Path, old: str, new: str, message: str) -> None:
    (root / "annotations.csv").write_text(ANNOTATIONS.replace(old, new))
    with pytest.raises(ValueError, match=r"annotations.csv") as caught:
        read_nodules(root)
    assert str(caught.value).startswith(message)
    assert "2.25." not in str(caught.value)


def test_class_other_than_0_and_1(root: Path) -> None:
    (root / "candidates_V2.csv").write_text(CANDIDATES.replace("6,0", "6,yes"))
    with pytest.raises(ValueError, match=r"candidates_V2.csv, line 3: class is 'yes', expected 0 or 1."):
        read_candidates(root)


def test_fault_of_another_sites_number_is_left_to_that_site(root: Path) -> None:
    (root / "candidates_V2.csv").write_text(CANDIDATES.replace("6,0", "6,yes"))
    assert len(read_candidates(root, only={"2.25.1"})) == 1


def test_candidate_of_an_unknown_scan(root: Path) -> None:
    (root / "candidates_V2.csv").write_text(CANDIDATES + "2.25.999,1,2,3,0\n")
    with pytest.raises(
        ValueError, match=r"candidates_V2.csv, line 4: its scan is not listed in seriesuids.csv"
    ):
        read_candidates(root, only={"2.25.1"})


def test_table_that_is_no_text(root: Path) -> None:
    (root / "candidates_V2.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ValueError, match=r"candidates_V2.csv is not UTF-8 text"):
        read_candidates(root)


def test_empty_tables(root: Path) -> None:
    (root / "candidates_V2.csv").write_text("")
    with pytest.raises(ValueError, match=r"line 1: column seriesuid is missing"):
        read_candidates(root)
    (root / "seriesuids.csv").write_text("\n")
    with pytest.raises(ValueError, match=r"seriesuids.csv is empty, expected one series UID a line"):
        read_series_uids(root)


def test_no_repr_shows_the_uid(root: Path) -> None:
    assert "2.25." not in repr(read_candidates(root)) + repr(read_nodules(root))


@needs_real_tables
def test_real_tables_hold_888_scans_and_1186_nodules() -> None:
    nodules = read_nodules(REAL_TABLES)
    assert len(set(read_series_uids(REAL_TABLES))) == 888
    assert len(nodules) == 1186
    assert len(group_by_series(nodules)) == 601


@needs_real_tables
def test_real_excluded_findings_have_unknown_diameters_too() -> None:
    diameters = Counter(finding.diameter_mm < 0 for finding in read_excluded(REAL_TABLES))
    assert sum(diameters.values()) == 35192
    assert diameters[True] > 0
