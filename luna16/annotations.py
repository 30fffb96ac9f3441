"""The challenge's tables: which places of which scan are candidates, nodules or excluded findings.

The tables lie in the data folder itself or in its folder CSVFILES. A message names a row by file and line,
never by its series UID.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from luna16.geometry import Vector3

COORDINATES = ("coordX", "coordY", "coordZ")
CANDIDATE_COLUMNS = ("seriesuid", *COORDINATES, "class")
NODULE_COLUMNS = ("seriesuid", *COORDINATES, "diameter_mm")
FARTHEST_MM = 100_000  # no scanner's world is larger
LARGEST_DIAMETER_MM = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to be classified; ``line_no`` is its line in candidates_V2.csv, for messages."""

    series_uid: str = field(repr=False)
    center_xyz_mm: Vector3
    is_nodule: bool
    line_no: int = 0


@dataclass(frozen=True, slots=True)
class Nodule:
    """An annotated nodule or excluded finding; a negative ``diameter_mm`` means that it is not known."""

    series_uid: str = field(repr=False)
    center_xyz_mm: Vector3
    diameter_mm: float
    line_no: int = 0


Finding = TypeVar("Finding", Candidate, Nodule)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table and what is needed to say where it is."""

    file_name: str
    line_no: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Give a cell's text; ValueError if the line ends before it."""
        if not (text := self.cells[column]):
            raise ValueError(f"{self.file_name}, line {self.line_no}: {column} is empty.")
        return text

    def number_mm(self, column: str) -> float:
        """Give a cell as a number; ValueError if it is none or too large to be a place."""
        text = self.text(column)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.explain(column, "a number in mm")
        if abs(number) > FARTHEST_MM:
            raise self.explain(column, f"-{FARTHEST_MM} to {FARTHEST_MM} mm")
        return number

    def diameter_mm(self) -> float:
        """Give a nodule's diameter, below 0 if it is not known; ValueError if it is none."""
        diameter_mm = self.number_mm("diameter_mm")
        if diameter_mm == 0 or diameter_mm > LARGEST_DIAMETER_MM:
            raise self.explain(
                "diameter_mm", f"more than 0 and at most {LARGEST_DIAMETER_MM} mm, or -1 if it is not known"
            )
        return diameter_mm

    def explain(self, column: str, expected: str) -> ValueError:
        """Say that a cell is not as expected; a series UID that has slipped into it is not shown."""
        text = self.cells[column]
        found = "a series UID" if text.count(".") > 1 else repr(text[:40])
        return ValueError(f"{self.file_name}, line {self.line_no}: {column} is {found}, expected {expected}.")

    def center_xyz_mm(self) -> Vector3:
        """Give the row's world position."""
        return self.number_mm("coordX"), self.number_mm("coordY"), self.number_mm("coordZ")


def read_series_uids(root: Path) -> list[str]:
    """Read the scans of the data set, in file order, from seriesuids.csv (one UID a line, no header).

    Raises FileNotFoundError if the file is missing and ValueError if it is empty.
    """
    path = find_table(root, "seriesuids.csv")
    lines = read_text(path).splitlines()
    series_uids = [line.strip() for line in lines if line.strip()]
    if not series_uids:
        raise ValueError(f"{path.name} is empty, expected one series UID a line.")
    return series_uids


def read_candidates(root: Path, *, only: Collection[str] | None = None) -> list[Candidate]:
    """Read candidates_V2.csv; of all scans, or ``only`` of those named.

    Raises FileNotFoundError if the table is missing, and ValueError that names file, line, column and value
    if a column is missing, a number is none, or a row is of a scan that seriesuids.csv does not list.
    """
    return [parse_candidate(row) for row in _read_rows(root, "candidates_V2.csv", CANDIDATE_COLUMNS, only)]


def read_nodules(root: Path, *, only: Collection[str] | None = None) -> list[Nodule]:
    """Read annotations.csv, the nodules to be found; checks and errors as in ``read_candidates``."""
    return _read_findings(root, "annotations.csv", only)


def read_excluded(root: Path, *, only: Collection[str] | None = None) -> list[Nodule]:
    """Read annotations_excluded.csv, findings that count neither as hit nor as false positive."""
    return _read_findings(root, "annotations_excluded.csv", only)


def group_by_series(findings: Iterable[Finding]) -> defaultdict[str, list[Finding]]:
    """Sort candidates or nodules into one list a scan; a scan without any has an empty one."""
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.series_uid].append(finding)
    return groups


def find_table(root: Path, name: str) -> Path:
    """Give the path of a table in ``root`` or in its CSVFILES; FileNotFoundError if it is in neither."""
    for folder in (root, root / "CSVFILES"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"No {name} in {root} or {root / 'CSVFILES'}. Copy it there.")


def parse_table(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows of a table; ValueError if it is not UTF-8 CSV or a column is missing."""
    reader = csv.DictReader(read_text(path).splitlines(), restval="", strict=True)
    try:
        _check_columns(path, reader.fieldnames or (), columns)
        for cells in reader:
            yield Row(path.name, reader.line_num, cells)
    except csv.Error as error:
        line_no = reader.line_num + 1  # a stray quote may run on from here to the end of the file
        raise ValueError(f"{path.name}, line {line_no}: not a CSV line ({error}).") from error


def read_text(path: Path) -> str:
    """Read a table as text; ValueError if it may not be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror}). Check its rights.") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is not UTF-8 text (byte {error.start}). Save it as UTF-8 CSV."
        ) from error


def parse_candidate(row: Row) -> Candidate:
    """Turn a row into a candidate; ValueError that names file, line, column and value if a cell is wrong."""
    return Candidate(row.text("seriesuid"), row.center_xyz_mm(), _is_nodule(row), row.line_no)


def parse_nodule(row: Row) -> Nodule:
    """Turn a row into a nodule; ValueError as in ``parse_candidate``."""
    return Nodule(row.text("seriesuid"), row.center_xyz_mm(), row.diameter_mm(), row.line_no)


def _read_findings(root: Path, name: str, only: Collection[str] | None) -> list[Nodule]:
    return [parse_nodule(row) for row in _read_rows(root, name, NODULE_COLUMNS, only)]


def _read_rows(
    root: Path, name: str, columns: tuple[str, ...], only: Collection[str] | None
) -> Iterator[Row]:
    """Yield the rows of the scans asked for; every row must be of a scan in seriesuids.csv."""
    path = find_table(root, name)
    known = set(read_series_uids(root))
    for row in parse_table(path, columns):
        if (series_uid := row.text("seriesuid")) not in known:
            raise ValueError(f"{path.name}, line {row.line_no}: its scan is not listed in seriesuids.csv.")
        if only is None or series_uid in only:
            yield row


def _check_columns(path: Path, found: Collection[str], expected: tuple[str, ...]) -> None:
    if missing := [column for column in expected if column not in found]:
        advice = " Save it with commas." if any({*";\t"} & {*column} for column in found) else ""
        raise ValueError(
            f"{path.name}, line 1: column {missing[0]} is missing, expected {', '.join(expected)}.{advice}"
        )


def _is_nodule(row: Row) -> bool:
    if (text := row.text("class")) not in {"0", "1"}:
        raise row.explain("class", "0 or 1")
    return text == "1"
