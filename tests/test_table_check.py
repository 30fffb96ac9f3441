"""Each fault of the tables is found and named by file and line, on the tables of the phantom."""

import shutil
from pathlib import Path

import pytest

from luna16.faults import Fault, FaultKind
from luna16.scan import find_scans, geometry_of, open_header
from luna16.scan_check import CheckedScan, ScanTask, check_scan
from luna16.table_check import CheckedTables, check_tables, make_probes, read_tables

TABLES = ("annotations.csv", "annotations_excluded.csv", "candidates_V2.csv")


@pytest.fixture
def root(tmp_path: Path, scans: Path) -> Path:
    for path in scans.glob("*.csv"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def checked_scans(scans: Path) -> list[CheckedScan]:
    return [CheckedScan(file, (), geometry_of(open_header(file))) for file in find_scans(scans)]


def check(root: Path, scans: list[CheckedScan]) -> CheckedTables:
    return check_tables(root, read_tables(root), scans)


def edit_lines(path: Path, change) -> None:
    """Change the lines below the header; each is given as its cells."""
    header, *lines = path.read_text().splitlines()
    rows = [change(line.split(",")) for line in lines]
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")


def edit_cell(path: Path, line_no: int, column: int, text: str) -> None:
    lines = path.read_text().splitlines()
    cells = lines[line_no - 1].split(",")
    cells[column] = text
    lines[line_no - 1] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


def only_fault(checked: CheckedTables, scans: list[CheckedScan]) -> Fault:
    (fault,) = checked.faults
    assert not any(scan.file.series_uid in fault.place + fault.detail for scan in scans)
    return fault


def test_sound_tables_have_no_fault(root: Path, checked_scans: list[CheckedScan]) -> None:
    checked = check(root, checked_scans)
    assert (checked.faults, checked.notes) == ((), ())
    num_lines = {name: len((root / name).read_text().splitlines()) - 1 for name in TABLES}
    assert checked.num_rows == num_lines


@pytest.mark.parametrize("name", TABLES)
def test_place_outside_its_scan(root: Path, checked_scans: list[CheckedScan], name: str) -> None:
    edit_cell(root / name, 2, 3, "99999")
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.OUTSIDE, f"{name}, line 2")
    assert "not inside subset0, scan" in fault.detail


def test_row_outside_its_scan_tells_which_swap_would_put_it_inside(
    root: Path, checked_scans: list[CheckedScan]
) -> None:
    edit_lines(root / "annotations.csv", lambda cells: [cells[i] for i in (0, 3, 2, 1, 4)])
    faults = check(root, checked_scans).faults
    assert {fault.kind for fault in faults} == {FaultKind.OUTSIDE}
    assert faults[0].detail.endswith(" It would be with coordX and coordZ swapped.")


@pytest.mark.parametrize("name", ["annotations.csv", "candidates_V2.csv"])
@pytest.mark.parametrize(
    ("order", "columns"),
    [([0, 2, 1, 3, 4], "coordX and coordY"), ([0, 3, 2, 1, 4], "coordX and coordZ")],
)
def test_swapped_columns_are_known_by_the_tissue(
    root: Path, scans: Path, name: str, order: list[int], columns: str
) -> None:
    edit_lines(root / name, lambda cells: [cells[i] for i in order])
    tables = read_tables(root)
    tasks = [
        ScanTask(file, tuple(xyz_mm for *_, xyz_mm in make_probes(tables, file.series_uid)))
        for file in find_scans(scans)
    ]
    faults = check_tables(root, tables, [check_scan(task) for task in tasks]).faults
    (swapped,) = [fault for fault in faults if fault.kind is FaultKind.SWAPPED]
    assert swapped.place == name
    assert f" with {columns} swapped." in swapped.detail


@pytest.mark.parametrize("name", TABLES)
def test_semicolons(root: Path, checked_scans: list[CheckedScan], name: str) -> None:
    path = root / name
    path.write_text(path.read_text().replace(",", ";"))
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.TABLE, name)
    assert fault.detail.endswith("Save it with commas.")


@pytest.mark.parametrize("name", [*TABLES, "seriesuids.csv"])
def test_byte_order_mark_is_noted_and_does_no_harm(
    root: Path, checked_scans: list[CheckedScan], name: str
) -> None:
    (root / name).write_bytes(b"\xef\xbb\xbf" + (root / name).read_bytes())
    checked = check(root, checked_scans)
    assert checked.faults == ()
    assert checked.notes == (f"{name} begins with a byte order mark, which does no harm.",)


@pytest.mark.parametrize("name", TABLES)
def test_missing_column(root: Path, checked_scans: list[CheckedScan], name: str) -> None:
    path = root / name
    path.write_text(path.read_text().replace("coordY", "Y"))
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert fault.kind is FaultKind.TABLE
    assert fault.detail.startswith("line 1: column coordY is missing, expected seriesuid, coordX,")


@pytest.mark.parametrize("name", [*TABLES, "seriesuids.csv"])
def test_missing_table(root: Path, checked_scans: list[CheckedScan], name: str) -> None:
    (root / name).unlink()
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.TABLE, name)
    assert fault.detail.startswith(f"No {name} in ")


def test_older_candidates_are_checked_when_the_newer_are_missing(
    root: Path, checked_scans: list[CheckedScan]
) -> None:
    (root / "candidates_V2.csv").rename(root / "candidates.csv")
    edit_cell(root / "candidates.csv", 2, 1, "99999")
    missing, outside = check(root, checked_scans).faults
    assert (missing.kind, missing.place) == (FaultKind.TABLE, "candidates_V2.csv")
    assert outside.place == "candidates.csv, line 2"


def test_candidates_without_a_row_are_a_fault(root: Path, checked_scans: list[CheckedScan]) -> None:
    (root / "candidates_V2.csv").write_text("seriesuid,coordX,coordY,coordZ,class\n")
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.TABLE, "candidates_V2.csv")
    assert fault.detail == "it has no row, so there is nothing to classify."


def test_table_that_may_not_be_read_is_a_fault(
    root: Path, checked_scans: list[CheckedScan], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refuse_annotations(path: Path, *args: object, **options: object) -> object:
        if path.name == "annotations.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse_annotations)
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.TABLE, "annotations.csv")
    assert fault.detail == "cannot be read (Permission denied). Check its rights."


def test_table_that_is_no_utf8(root: Path, checked_scans: list[CheckedScan]) -> None:
    path = root / "annotations.csv"
    path.write_bytes(path.read_text().encode("utf-16"))
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert fault.detail == "is not UTF-8 text (byte 0). Save it as UTF-8 CSV."


@pytest.mark.parametrize(
    ("name", "column", "text", "detail"),
    [
        ("annotations.csv", 1, "n/a", "coordX is 'n/a', expected a number in mm."),
        ("annotations.csv", 4, "", "diameter_mm is empty."),
        ("candidates_V2.csv", 3, "nan", "coordZ is 'nan', expected a number in mm."),
        ("candidates_V2.csv", 4, "2", "class is '2', expected 0 or 1."),
    ],
)
def test_row_that_is_wrong_sets_its_scan_aside(
    root: Path, checked_scans: list[CheckedScan], name: str, column: int, text: str, detail: str
) -> None:
    edit_cell(root / name, 2, column, text)
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place, fault.detail) == (FaultKind.ROW, f"{name}, line 2", detail)
    assert fault.series_uid in {scan.file.series_uid for scan in checked_scans}


def test_rows_of_a_scan_that_is_not_listed_are_counted(root: Path, checked_scans: list[CheckedScan]) -> None:
    with (root / "annotations.csv").open("a") as table:
        table.write("2.25.99,1,2,3,4\n" * 3)
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.series_uid) == (FaultKind.UNKNOWN_SCAN, "2.25.99")
    assert fault.detail == "seriesuids.csv does not name its scan (rows of it: 3)."


def test_scan_that_is_not_listed(root: Path, checked_scans: list[CheckedScan]) -> None:
    lines = (root / "seriesuids.csv").read_text().splitlines()
    (root / "seriesuids.csv").write_text("\n".join(lines[:-1]) + "\n")
    kinds = {fault.kind for fault in check(root, checked_scans).faults}
    assert kinds == {FaultKind.NOT_LISTED, FaultKind.UNKNOWN_SCAN}


def test_scan_that_is_listed_twice(root: Path, checked_scans: list[CheckedScan]) -> None:
    lines = (root / "seriesuids.csv").read_text().splitlines()
    (root / "seriesuids.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.LISTED_TWICE, "seriesuids.csv, scan 2")


def test_scans_of_another_site_are_noted_with_their_rows(
    root: Path, checked_scans: list[CheckedScan]
) -> None:
    absent = checked_scans[0].file.series_uid
    num_rows = sum((root / name).read_text().count(absent) for name in TABLES)
    checked = check(root, checked_scans[1:])
    assert checked.faults == ()
    (note,) = checked.notes
    assert note.startswith("seriesuids.csv lists 1 scans that are not in this folder;")
    assert f"{num_rows} rows" in note


def test_rows_of_a_scan_whose_header_is_broken_are_left_alone(
    root: Path, checked_scans: list[CheckedScan]
) -> None:
    broken = [CheckedScan(scan.file, ()) for scan in checked_scans]
    assert check(root, broken).faults == ()


def test_table_of_scanners_is_a_fault_only_if_it_cannot_be_read(
    root: Path, checked_scans: list[CheckedScan]
) -> None:
    (root / "scanners.csv").write_text("seriesuid,model\n")
    fault = only_fault(check(root, checked_scans), checked_scans)
    assert (fault.kind, fault.place) == (FaultKind.SCANNERS, "scanners.csv")
    assert fault.detail.startswith("line 1: no column manufacturer or vendor")
    (root / "scanners.csv").unlink()
    assert check(root, checked_scans).faults == ()
