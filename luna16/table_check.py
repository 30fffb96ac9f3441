"""Check the challenge's tables against the scans: every row readable, of a listed scan, and inside it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from luna16.annotations import (
    CANDIDATE_COLUMNS,
    NODULE_COLUMNS,
    Candidate,
    Nodule,
    Row,
    find_table,
    parse_candidate,
    parse_nodule,
    parse_table,
    read_series_uids,
)
from luna16.faults import Fault, FaultKind
from luna16.geometry import Geometry, Vector3
from luna16.inventory import SCANNERS, read_scanners
from luna16.scan_check import CheckedScan

LISTED = "seriesuids.csv"
CANDIDATES = "candidates_V2.csv"
OLDER_CANDIDATES = "candidates.csv"
PARSERS: dict[str, tuple[tuple[str, ...], Callable[[Row], Candidate | Nodule]]] = {
    "annotations.csv": (NODULE_COLUMNS, parse_nodule),
    "annotations_excluded.csv": (NODULE_COLUMNS, parse_nodule),
    CANDIDATES: (CANDIDATE_COLUMNS, parse_candidate),
    OLDER_CANDIDATES: (CANDIDATE_COLUMNS, parse_candidate),
}
CANDIDATE_TABLES = {CANDIDATES, OLDER_CANDIDATES}
SWAPS = {"coordX and coordY": (1, 0, 2), "coordX and coordZ": (2, 1, 0), "coordY and coordZ": (0, 2, 1)}
AS_WRITTEN = "as written"
ORDERS = {AS_WRITTEN: (0, 1, 2), **SWAPS}
PROBED_ROWS = 20  # of each table and scan
FEWEST_PROBED_ROWS = 20  # of each table: fewer prove nothing
TISSUE_ABOVE_HU = -700
BETTER_BY = 0.2  # findings as written are nearly all in tissue; with two columns swapped about half are
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class CheckedTables:
    """What was found; ``num_rows`` counts the readable rows of each table."""

    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    num_rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """One readable row: where it stands and what it points to."""

    line_no: int
    center_xyz_mm: Vector3


@dataclass(frozen=True)
class CheckedTable:
    """A table's readable rows by scan, and what is wrong with the others."""

    name: str
    rows: Mapping[str, list[_Row]]
    faults: tuple[Fault, ...]


def read_tables(root: Path) -> list[CheckedTable]:
    """Read the nodules, the excluded findings and the candidates; what cannot be read is a fault."""
    return [_read_table(root, name) for name in _choose_tables(root)]


def make_probes(tables: Sequence[CheckedTable], series_uid: str) -> list[tuple[str, str, Vector3]]:
    """Give places to look at in a scan: some rows of each table, as written and with two columns swapped.

    Each comes with the names of its table and of its order of columns.
    """
    return [
        (table.name, columns, _reorder(row, order))
        for table in tables
        for row in table.rows.get(series_uid, [])[:PROBED_ROWS]
        for columns, order in ORDERS.items()
    ]


def check_tables(root: Path, tables: Sequence[CheckedTable], scans: Sequence[CheckedScan]) -> CheckedTables:
    """Check the list of scans, and the tables against the scans."""
    by_uid = {scan.file.series_uid: scan for scan in scans}
    listed, faults = _read_listed(root)
    if listed:
        faults += [_not_listed(scan) for scan in scans if scan.file.series_uid not in listed]
    for table in tables:
        faults += table.faults
        faults += _check_known(table, listed or by_uid.keys())
        faults += _check_places(table, by_uid)
    faults += _check_columns(tables, by_uid)
    faults += _check_scanners(root)
    num_rows = {table.name: sum(map(len, table.rows.values())) for table in tables}
    return CheckedTables(tuple(faults), tuple(_note(root, listed - by_uid.keys(), tables)), num_rows)


def _read_listed(root: Path) -> tuple[set[str], list[Fault]]:
    try:
        series_uids = read_series_uids(root)
    except (ValueError, OSError) as error:
        return set(), [_table_fault(LISTED, error)]
    faults = []
    for series_uid, count in Counter(series_uids).items():
        if count > 1:
            place = f"{LISTED}, scan {series_uids.index(series_uid) + 1}"
            faults.append(Fault(FaultKind.LISTED_TWICE, place, f"it is listed {count} times.", series_uid))
    return set(series_uids), faults


def _not_listed(scan: CheckedScan) -> Fault:
    return Fault(FaultKind.NOT_LISTED, scan.file.place, f"{LISTED} does not name it.", scan.file.series_uid)


def _choose_tables(root: Path) -> list[str]:
    """Name the tables to be read; the older candidates take part only if the newer ones are missing."""
    has_older = _find(root, CANDIDATES) is None and _find(root, OLDER_CANDIDATES) is not None
    return [name for name in PARSERS if name != OLDER_CANDIDATES or has_older]


def _find(root: Path, name: str) -> Path | None:
    try:
        return find_table(root, name)
    except FileNotFoundError:
        return None


def _read_table(root: Path, name: str) -> CheckedTable:
    columns, parse = PARSERS[name]
    rows: defaultdict[str, list[_Row]] = defaultdict(list)
    faults = []
    try:
        for row in parse_table(find_table(root, name), columns):
            try:
                finding = parse(row)
            except ValueError as error:
                faults.append(_row_fault(name, row.line_no, str(error), row.cells["seriesuid"]))
            else:
                rows[finding.series_uid].append(_Row(row.line_no, finding.center_xyz_mm))
    except (ValueError, OSError) as error:
        faults.append(_table_fault(name, error))
    if name in CANDIDATE_TABLES and not rows and not faults:
        faults.append(Fault(FaultKind.TABLE, name, "it has no row, so there is nothing to classify."))
    return CheckedTable(name, rows, tuple(faults))


def _check_known(table: CheckedTable, known: Collection[str]) -> Iterator[Fault]:
    for series_uid, rows in table.rows.items():
        if series_uid not in known:
            place = f"{table.name}, line {rows[0].line_no}"
            yield Fault(
                FaultKind.UNKNOWN_SCAN,
                place,
                f"{LISTED} does not name its scan (rows of it: {len(rows)}).",
                series_uid,
            )


def _check_places(table: CheckedTable, scans: Mapping[str, CheckedScan]) -> Iterator[Fault]:
    for series_uid, rows in table.rows.items():
        scan = scans.get(series_uid)
        if scan and scan.geometry:
            are_inside = scan.geometry.contains_each(np.array([row.center_xyz_mm for row in rows]))
            for i in np.flatnonzero(~are_inside):
                detail = f"not inside {scan.file.place}.{_suggest_swap(scan.geometry, rows[i])}"
                yield Fault(FaultKind.OUTSIDE, f"{table.name}, line {rows[i].line_no}", detail, series_uid)


def _suggest_swap(geometry: Geometry, row: _Row) -> str:
    for columns, order in SWAPS.items():
        if geometry.contains(_reorder(row, order)):
            return f" It would be with {columns} swapped."
    return ""


def _check_columns(tables: Sequence[CheckedTable], scans: Mapping[str, CheckedScan]) -> Iterator[Fault]:
    """Tell of a table whose rows point to tissue far more often when two columns are swapped."""
    hits: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for series_uid, scan in scans.items():
        if scan.voxels:
            probes = make_probes(tables, series_uid)
            for (name, columns, _), value_hu in zip(probes, scan.voxels.probes_hu, strict=True):
                hits[name, columns].append(value_hu is not None and value_hu > TISSUE_ABOVE_HU)
    for table in tables:
        shares = {columns: np.mean(hits[table.name, columns] or [False]) for columns in ORDERS}
        best = max(shares, key=lambda columns: shares[columns])
        is_better = shares[best] > shares[AS_WRITTEN] + BETTER_BY
        if is_better and len(hits[table.name, best]) >= FEWEST_PROBED_ROWS:
            detail = (
                f"{shares[AS_WRITTEN]:.0%} of its places lie in tissue as written, "
                f"{shares[best]:.0%} with {best} swapped."
            )
            yield Fault(FaultKind.SWAPPED, table.name, detail)


def _reorder(row: _Row, order: tuple[int, int, int]) -> Vector3:
    first, second, third = order
    return row.center_xyz_mm[first], row.center_xyz_mm[second], row.center_xyz_mm[third]


def _note(root: Path, absent: set[str], tables: Sequence[CheckedTable]) -> Iterator[str]:
    if absent:
        num_rows = sum(len(table.rows[uid]) for table in tables for uid in absent & table.rows.keys())
        yield (
            f"{LISTED} lists {len(absent)} scans that are not in this folder; the tables' {num_rows} rows "
            "of them are another site's."
        )
    for name in (LISTED, *(table.name for table in tables)):
        path = _find(root, name)
        if path and _begins_with_mark(path):
            yield f"{name} begins with a byte order mark, which does no harm."


def _begins_with_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
    except OSError:  # which is a fault by now
        return False


def _row_fault(name: str, line_no: int, message: str, series_uid: str) -> Fault:
    place = f"{name}, line {line_no}"
    return Fault(FaultKind.ROW, place, message.removeprefix(f"{place}: "), series_uid)


def _check_scanners(root: Path) -> Iterator[Fault]:
    try:
        read_scanners(root)
    except (ValueError, OSError) as error:
        yield _table_fault(SCANNERS, error, FaultKind.SCANNERS)


def _table_fault(name: str, error: Exception, kind: FaultKind = FaultKind.TABLE) -> Fault:
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Fault(kind, name, message.removeprefix(f"{name}, ").removeprefix(f"{name} "))
