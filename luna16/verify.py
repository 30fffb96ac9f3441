"""Check a whole data folder before it is used: every scan, every table, and the two against each other.

Run it with ``luna16 verify ROOT``. Whatever is wrong is a fault in the report; nothing in the folder changes.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from luna16.faults import Fault, FaultKind
from luna16.scan import ScanFile, find_subsets, list_folder, list_subset
from luna16.scan_check import CheckedScan, ScanTask, check_scan
from luna16.table_check import CheckedTable, check_tables, make_probes, read_tables
from luna16.worker_processes import count_cores, run_each

VOXEL_SUFFIXES = {".raw", ".zraw"}


@dataclass(frozen=True)
class Report:
    """What was looked at and what was found; ``notes`` are remarks on what is no fault."""

    scans: tuple[CheckedScan, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    num_rows: dict[str, int]

    @property
    def sound(self) -> frozenset[str]:
        """The series that can be used."""
        return frozenset(scan.file.series_uid for scan in self.scans) - self.set_aside

    @property
    def set_aside(self) -> frozenset[str]:
        """The series in the folder that should not be used."""
        faulty = {fault.series_uid for fault in self.faults if fault.kind.sets_aside}
        return frozenset(faulty & {scan.file.series_uid for scan in self.scans})


def verify(
    root: Path, *, num_jobs: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Report:
    """Check all scans and tables below ``root`` with ``num_jobs`` processes, by default one a core.

    ``on_progress`` is told the number of scans checked and of all scans.

    Raises FileNotFoundError if ``root`` holds no scan at all; all else is in the report.
    """
    files, faults = _find_files(root)
    tables = read_tables(root)
    tasks = [_make_task(file, tables) for file in files]
    scans = _check_scans(tasks, num_jobs or count_cores(), on_progress)
    checked = check_tables(root, tables, scans)
    faults += [fault for scan in scans for fault in scan.faults]
    faults += [*_check_subsets(files), *checked.faults]
    faults += _check_same_voxels(scans, faults)
    return Report(tuple(scans), tuple(faults), checked.notes, checked.num_rows)


def describe(report: Report) -> dict[str, Any]:
    """Give a report as JSON; it names scans by UID and so belongs to the hospital."""
    return {
        "num_scans": len(report.scans),
        "num_rows": report.num_rows,
        "notes": report.notes,
        "faults": [asdict(fault) | {"kind": fault.kind.name.lower()} for fault in report.faults],
        "set_aside": sorted(report.set_aside),
        "scans": [_describe_scan(scan, report.sound) for scan in report.scans],
    }


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON; the file appears only when it is complete."""
    unfinished = path.with_name(f".{path.name}-unfinished")
    try:
        unfinished.write_text(json.dumps(describe(report), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _find_files(root: Path) -> tuple[list[ScanFile], list[Fault]]:
    files, faults = [], []
    for subset in find_subsets(root):
        try:
            files += list_subset(root, subset)
        except FileNotFoundError:
            faults.append(Fault(FaultKind.EMPTY_SUBSET, f"subset{subset}", "it holds no .mhd file."))
        except OSError:
            faults.append(Fault(FaultKind.UNREADABLE, f"subset{subset}", "the folder cannot be listed."))
            continue
        faults += _check_headers_exist(root / f"subset{subset}")
    if not files:
        raise FileNotFoundError(f"{root}: no subset folder holds a .mhd file. Are the archives unpacked?")
    return files, faults


def _check_headers_exist(folder: Path) -> Iterator[Fault]:
    paths = list_folder(folder)
    headers = {path.stem for path in paths if path.suffix.lower() == ".mhd"}
    lone = {path.stem for path in paths if path.suffix.lower() in VOXEL_SUFFIXES} - headers
    if lone:
        yield Fault(FaultKind.NO_HEADER, folder.name, f"{len(lone)} voxel files without a .mhd of that name.")


def _make_task(file: ScanFile, tables: Sequence[CheckedTable]) -> ScanTask:
    return ScanTask(file, tuple(center_xyz_mm for *_, center_xyz_mm in make_probes(tables, file.series_uid)))


def _check_scans(
    tasks: Sequence[ScanTask], num_jobs: int, on_progress: Callable[[int, int], None] | None
) -> list[CheckedScan]:
    """Check the scans in parallel and give them in the order of the tasks."""
    checked = {}
    for num_done, (task, scan) in enumerate(run_each(check_scan, tasks, num_jobs=num_jobs), start=1):
        checked[task.file] = scan or _died(task.file)
        if on_progress:
            on_progress(num_done, len(tasks))
    return [checked[task.file] for task in tasks]


def _died(file: ScanFile) -> CheckedScan:
    detail = "its process ended, perhaps for lack of memory."
    return CheckedScan(file, (Fault(FaultKind.NOT_CHECKED, file.place, detail, file.series_uid),))


def _check_subsets(files: Sequence[ScanFile]) -> Iterator[Fault]:
    by_uid: defaultdict[str, list[ScanFile]] = defaultdict(list)
    for file in files:
        by_uid[file.series_uid].append(file)
    for first, *others in by_uid.values():
        for other in others:
            yield Fault(FaultKind.TWO_PLACES, other.place, f"also {first.place}.", other.series_uid)


def _check_same_voxels(scans: Sequence[CheckedScan], faults: Sequence[Fault]) -> Iterator[Fault]:
    """Set aside all but one scan of those with the same voxels, and keep one that is sound."""
    faulty = {fault.series_uid for fault in faults if fault.kind.sets_aside}
    kept: dict[str, ScanFile] = {}
    for scan in sorted(scans, key=lambda scan: scan.file.series_uid in faulty):  # sound ones first
        if scan.voxels:
            first = kept.setdefault(scan.voxels.sha256, scan.file)
            if first.series_uid != scan.file.series_uid:
                detail = f"the voxels of {first.place}."
                yield Fault(FaultKind.SAME_VOXELS, scan.file.place, detail, scan.file.series_uid)


def _describe_scan(scan: CheckedScan, sound: frozenset[str]) -> dict[str, Any]:
    return {
        "series_uid": scan.file.series_uid,
        "place": scan.file.place,
        "is_sound": scan.file.series_uid in sound,
        "geometry": asdict(scan.geometry) if scan.geometry else None,
        "lowest_hu": scan.voxels.lowest_hu if scan.voxels else None,
        "highest_hu": scan.voxels.highest_hu if scan.voxels else None,
        "voxels_sha256": scan.voxels.sha256 if scan.voxels else None,
    }
