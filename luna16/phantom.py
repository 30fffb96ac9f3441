"""Write a synthetic data set in the exact layout of LUNA16, to try everything without a patient's scan.

Run it with ``luna16 phantom OUT``. Each subset folder is one site with a scanner of its own.
"""

import csv
import tempfile
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from luna16.geometry import AXIAL_DIRECTION, Geometry, Vector3
from luna16.inventory import SCANNER_COLUMNS, SCANNERS
from luna16.phantom_anatomy import AIR_HU, draw_chest
from luna16.phantom_findings import Finding, draw_findings
from luna16.phantom_scanner import Scanner, acquire, scanner_of_site, vendor_of_site
from luna16.phantom_shapes import Canvas, FloatArray, random_direction
from luna16.scan import Int16Array, make_image
from luna16.worker_processes import count_cores, run_each

SIZE_ZYX_VOX = (96, 192, 192)
FLIPPED_DIRECTION = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
HEADER = ("seriesuid", "coordX", "coordY", "coordZ")
SECOND_CANDIDATE_SHARE = 0.3
UNKNOWN_DIAMETER = -1
COMPRESSION_LEVEL = 1

Row = tuple[str | float | int, ...]


@dataclass(frozen=True)
class ScanTask:
    """One scan to be made; the three numbers decide every one of its voxels."""

    seed: int
    site_no: int
    scan_no: int


@dataclass(frozen=True)
class ScanRows:
    """What the tables say of one scan."""

    series_uid: str
    nodules: list[Row]
    excluded: list[Row]
    candidates: list[Row]
    vendor: str = ""


@dataclass(frozen=True)
class Places:
    """Where the findings of one canvas lie in the world."""

    canvas: Canvas
    geometry: Geometry

    def exact(self, finding: Finding) -> Vector3:
        """Give the centre of a finding in the world, to a nanometre."""
        return self._to_world(finding.center_zyx_mm)

    def near(self, finding: Finding, random: np.random.Generator) -> Vector3:
        """Give a place that a detector might mark, within a quarter of the diameter from the centre."""
        miss_mm = random.random() * min(finding.diameter_mm / 4, 3.0)
        return self._to_world(finding.center_zyx_mm + random_direction(random) * miss_mm)

    def _to_world(self, place_zyx_mm: FloatArray) -> Vector3:
        x_mm, y_mm, z_mm = self.geometry.voxel_to_world(self.canvas.voxel_position(place_zyx_mm))
        return round(x_mm, 6), round(y_mm, 6), round(z_mm, 6)


def write_phantom(
    out: Path,
    *,
    num_sites: int,
    scans_per_site: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write ``num_sites`` subset folders of ``scans_per_site`` scans, and the tables, into ``out``.

    The same arguments give the same files, byte for byte. ``out`` appears only when it is complete.
    ``on_progress`` is told the number of scans made and of all scans.

    Raises FileExistsError if ``out`` is not an empty folder, and ValueError if a number is too small.
    """
    _check_request(out, num_sites, scans_per_site)
    out.parent.mkdir(parents=True, exist_ok=True)
    tasks = [ScanTask(seed, site_no, i) for site_no in range(num_sites) for i in range(scans_per_site)]
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as unfinished:
        folder = Path(unfinished) / out.name
        for site_no in range(num_sites):
            (folder / f"subset{site_no}").mkdir(parents=True)
        write_tables(folder, _write_scans(folder, tasks, on_progress))
        folder.replace(out)


def write_scan(folder: Path, task: ScanTask) -> ScanRows:
    """Draw one scan, write it into its subset of ``folder``, and give its lines of the tables."""
    random = np.random.default_rng([task.seed, task.site_no, task.scan_no])
    scanner = scanner_of_site(task.site_no)
    series_uid = f"2.25.{uuid.UUID(bytes=random.bytes(16), version=4).int}"
    canvas = _make_canvas(scanner, random)
    findings = draw_findings(canvas, draw_chest(canvas, random), random)
    geometry = _make_geometry(canvas, random)
    path = folder / f"subset{task.site_no}" / f"{series_uid}.mhd"
    write_image(path, acquire(canvas, scanner, random), geometry, scanner)
    rows = _make_rows(series_uid, findings, Places(canvas, geometry), random)
    return replace(rows, vendor=vendor_of_site(task.site_no))


def write_image(path: Path, voxels_hu: Int16Array, geometry: Geometry, scanner: Scanner) -> None:
    """Write a MetaImage with .raw or .zraw beside it, flipped in x and y if the scanner does so."""
    if scanner.is_flipped:
        _, height, width = geometry.size_zyx_vox
        corner_xyz_mm = geometry.voxel_to_world((0, height - 1, width - 1))
        voxels_hu = np.ascontiguousarray(voxels_hu[:, ::-1, ::-1])
        geometry = Geometry(corner_xyz_mm, geometry.spacing_xyz_mm, FLIPPED_DIRECTION, geometry.size_zyx_vox)
    image = make_image(voxels_hu, geometry)
    try:
        sitk.WriteImage(image, str(path), scanner.is_compressed, COMPRESSION_LEVEL)
    except RuntimeError as error:
        raise OSError(f"A scan cannot be written into {path.parent}. Is the disk full?") from error


def write_tables(folder: Path, scans: Iterable[ScanRows]) -> None:
    """Write the four tables of the challenge and, if a vendor is known, that of the scanners."""
    scans = list(scans)
    findings_header = (*HEADER, "diameter_mm")
    _write_csv(folder / "seriesuids.csv", [(scan.series_uid,) for scan in scans])
    _write_csv(folder / "annotations.csv", [findings_header, *(r for s in scans for r in s.nodules)])
    _write_csv(
        folder / "annotations_excluded.csv", [findings_header, *(r for s in scans for r in s.excluded)]
    )
    _write_csv(folder / "candidates_V2.csv", [(*HEADER, "class"), *(r for s in scans for r in s.candidates)])
    if vendors := [(scan.series_uid, scan.vendor) for scan in scans if scan.vendor]:
        _write_csv(folder / SCANNERS, [SCANNER_COLUMNS, *vendors])


def _check_request(out: Path, num_sites: int, scans_per_site: int) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise FileExistsError(f"{out} is not an empty folder. Name a new one, or remove it first.")
    if num_sites < 1 or scans_per_site < 1:
        raise ValueError(
            f"Asked for {num_sites} sites of {scans_per_site} scans, expected at least 1 of each."
        )


def _write_scans(
    folder: Path, tasks: list[ScanTask], on_progress: Callable[[int, int], None] | None
) -> list[ScanRows]:
    """Write the scans with one process a core, and give their rows in the order of the tasks."""
    rows: dict[ScanTask, ScanRows] = {}
    for task, made in run_each(partial(_try_scan, folder), tasks, num_jobs=count_cores()):
        if made is None:
            raise OSError("A process that made a scan was killed. Is the memory full?")
        if isinstance(made, OSError):
            raise made
        rows[task] = made
        if on_progress:
            on_progress(len(rows), len(tasks))
    return [rows[task] for task in tasks]


def _try_scan(folder: Path, task: ScanTask) -> ScanRows | OSError:
    try:
        return write_scan(folder, task)
    except OSError as error:
        return error


def _make_canvas(scanner: Scanner, random: np.random.Generator) -> Canvas:
    in_plane_mm = float(random.uniform(*scanner.in_plane_spacing_mm))
    slice_mm = float(random.uniform(*scanner.slice_spacing_mm))
    return Canvas(SIZE_ZYX_VOX, (slice_mm, in_plane_mm, in_plane_mm), AIR_HU)


def _make_geometry(canvas: Canvas, random: np.random.Generator) -> Geometry:
    """Put the phantom somewhere in the scanner, so that its origin is not a round number."""
    half_z_mm, half_y_mm, half_x_mm = canvas.half_zyx_mm
    z_mm, y_mm, x_mm = random.uniform((-250, -40, -40), (250, 40, 40)).round(3).tolist()
    slice_mm, row_mm, column_mm = canvas.spacing_zyx_mm.tolist()
    return Geometry(
        origin_xyz_mm=(x_mm - half_x_mm, y_mm - half_y_mm, z_mm - half_z_mm),
        spacing_xyz_mm=(column_mm, row_mm, slice_mm),
        direction=AXIAL_DIRECTION,
        size_zyx_vox=SIZE_ZYX_VOX,
    )


def _make_rows(
    series_uid: str, findings: list[Finding], places: Places, random: np.random.Generator
) -> ScanRows:
    """Turn findings into table rows; a nodule may have two candidates, and one look-alike is excluded."""
    nodules = [finding for finding in findings if finding.is_nodule]
    look_alikes = [finding for finding in findings if not finding.is_nodule]
    twice = [nodule for nodule in nodules if random.random() < SECOND_CANDIDATE_SHARE]
    return ScanRows(
        series_uid=series_uid,
        nodules=[(series_uid, *places.exact(nodule), round(nodule.diameter_mm, 6)) for nodule in nodules],
        excluded=[(series_uid, *places.exact(finding), UNKNOWN_DIAMETER) for finding in look_alikes[:1]],
        candidates=[
            *((series_uid, *places.near(nodule, random), 1) for nodule in (*nodules, *twice)),
            *((series_uid, *places.near(finding, random), 0) for finding in look_alikes),
        ],
    )


def _write_csv(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
