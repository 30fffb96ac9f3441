"""Check one scan on disk: its header by itself, its voxels against the header, and the values they hold.

The voxels are read as a stream, so a check takes some megabytes of memory, however large the scan.
"""

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from luna16.faults import Fault, FaultKind
from luna16.geometry import Geometry, Vector3
from luna16.header import check_header
from luna16.scan import (
    ScanFile,
    find_voxel_file,
    geometry_of,
    is_compressed,
    open_header,
    read_header,
    read_voxel_blocks,
)

IndexArray = npt.NDArray[np.int64]

UID_PATTERN = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")  # DICOM PS3.5, section 9.1
UID_LENGTH = 64
AIR_BELOW_HU = -500
TISSUE_ABOVE_HU = 0
CT_HU = 4096  # 12 bits and padding of -3024 lie within this; metal and some paddings lie beyond


@dataclass(frozen=True)
class ScanTask:
    """A scan to be checked, and places at which its values are asked for."""

    file: ScanFile
    probes_xyz_mm: tuple[Vector3, ...] = ()


@dataclass(frozen=True)
class VoxelFacts:
    """What a scan's voxels hold.

    ``share_ct`` is the part of them within -4096 to 4095 HU, and ``probes_hu`` the value of the voxel at each
    place asked for, or None outside the scan.
    """

    num_bytes: int
    sha256: str
    lowest_hu: int
    highest_hu: int
    share_ct: float
    probes_hu: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class CheckedScan:
    """A scan and what was found; ``geometry`` and ``voxels`` are None where they could not be read."""

    file: ScanFile
    faults: tuple[Fault, ...]
    geometry: Geometry | None = field(default=None, repr=False)
    voxels: VoxelFacts | None = field(default=None, repr=False)


def check_scan(task: ScanTask) -> CheckedScan:
    """Check one scan; whatever is wrong with it is a fault and not an error."""
    file = task.file
    try:
        return _check_scan(task)
    except OSError as error:
        return CheckedScan(file, (_fault(file, FaultKind.UNREADABLE, f"{error.strerror}."),))
    except Exception as error:  # noqa: BLE001 - the edge of a process: one scan must not end the whole check
        return CheckedScan(file, (_fault(file, FaultKind.NOT_CHECKED, f"{type(error).__name__}."),))


def measure_voxels(
    blocks: Iterator[bytes], dtype: str, probes: IndexArray, *, limit_bytes: int
) -> VoxelFacts:
    """Give what a stream of voxels holds; it is read no further than one block beyond ``limit_bytes``.

    ``probes`` are the numbers of some voxels in file order, negative for none.
    """
    digest = hashlib.sha256()
    lowest_hu, highest_hu, num_bytes, num_voxels, num_ct, rest = 32767, -32768, 0, 0, 0, b""
    probes_hu: list[int | None] = [None] * len(probes)
    for block in blocks:
        digest.update(block)
        num_bytes += len(block)
        voxels_hu = np.frombuffer(rest + block, dtype, count=len(rest + block) // 2)
        rest = (rest + block)[2 * len(voxels_hu) :]
        if len(voxels_hu):
            lowest_hu = min(lowest_hu, int(voxels_hu.min()))
            highest_hu = max(highest_hu, int(voxels_hu.max()))
            num_ct += int(np.count_nonzero((voxels_hu >= -CT_HU) & (voxels_hu < CT_HU)))
        for i in np.flatnonzero((probes >= num_voxels) & (probes < num_voxels + len(voxels_hu))):
            probes_hu[i] = int(voxels_hu[probes[i] - num_voxels])
        num_voxels += len(voxels_hu)
        if num_bytes > limit_bytes:
            break
    share_ct = num_ct / max(num_voxels, 1)
    return VoxelFacts(num_bytes, digest.hexdigest(), lowest_hu, highest_hu, share_ct, tuple(probes_hu))


def _check_scan(task: ScanTask) -> CheckedScan:
    file = task.file
    header = read_header(file)
    faults = [_fault(file, kind, detail) for kind, detail in check_header(header)]
    geometry = _read_geometry(file) if not faults else None
    voxels = _read_voxels(task, header, geometry) if isinstance(geometry, Geometry) else None
    faults += [found for found in (geometry, voxels) if isinstance(found, Fault)]
    if isinstance(voxels, VoxelFacts):
        faults += _check_values(file, voxels)
    return CheckedScan(
        file,
        (*_check_name(file), *faults),
        geometry if isinstance(geometry, Geometry) else None,
        voxels if isinstance(voxels, VoxelFacts) else None,
    )


def _check_name(file: ScanFile) -> Iterator[Fault]:
    if not UID_PATTERN.fullmatch(file.series_uid) or len(file.series_uid) > UID_LENGTH:
        yield _fault(file, FaultKind.SCAN_NAME, "expected at most 64 digits and dots.")


def _read_geometry(file: ScanFile) -> Geometry | Fault:
    try:
        return geometry_of(open_header(file))
    except ValueError as error:
        return _fault(file, FaultKind.HEADER, str(error))


def _read_voxels(task: ScanTask, header: dict[str, str], geometry: Geometry) -> VoxelFacts | Fault:
    file = task.file
    try:
        path = find_voxel_file(file, header)
    except ValueError as error:
        return _fault(file, FaultKind.VOXEL_FILE, str(error))
    num_bytes = 2 * math.prod(geometry.size_zyx_vox)
    if not is_compressed(header) and path.stat().st_size != num_bytes:
        return _wrong_length(file, path.stat().st_size, num_bytes)
    dtype = ">i2" if header.get("BinaryDataByteOrderMSB", "").lower() == "true" else "<i2"
    try:
        blocks = read_voxel_blocks(file, path, header)
        voxels = measure_voxels(blocks, dtype, _number_voxels(task, geometry), limit_bytes=num_bytes)
    except ValueError as error:
        return _fault(file, FaultKind.VOXELS_DAMAGED, str(error))
    return voxels if voxels.num_bytes == num_bytes else _wrong_length(file, voxels.num_bytes, num_bytes)


def _number_voxels(task: ScanTask, geometry: Geometry) -> IndexArray:
    """Give the number of each probe's voxel in file order, -1 if it is outside the scan."""
    probes_xyz_mm = np.reshape(task.probes_xyz_mm, (-1, 3))
    z, y, x = np.rint(geometry.to_voxels(probes_xyz_mm)).astype(np.int64).T
    _, height, width = geometry.size_zyx_vox
    return np.where(geometry.contains_each(probes_xyz_mm), (z * height + y) * width + x, -1)


def _wrong_length(file: ScanFile, found: int, expected: int) -> Fault:
    return _fault(
        file, FaultKind.VOXEL_LENGTH, f"{found} bytes of voxels, expected {expected} by its header."
    )


def _check_values(file: ScanFile, voxels: VoxelFacts) -> Iterator[Fault]:
    lowest_hu, highest_hu = voxels.lowest_hu, voxels.highest_hu
    if lowest_hu == highest_hu:
        yield _fault(file, FaultKind.VOXELS_EQUAL, f"every voxel is {lowest_hu} HU.")
    elif lowest_hu > AIR_BELOW_HU or highest_hu < TISSUE_ABOVE_HU:
        found = f"values are {lowest_hu} to {highest_hu} HU"
        yield _fault(
            file, FaultKind.HU_RANGE, f"{found}, expected air below {AIR_BELOW_HU} and tissue above 0."
        )
    elif voxels.share_ct < 0.5:
        found = f"{1 - voxels.share_ct:.0%} of the values lie beyond {CT_HU} HU"
        yield _fault(file, FaultKind.HU_RANGE, f"{found}; the bytes may be in the wrong order.")


def _fault(file: ScanFile, kind: FaultKind, detail: str) -> Fault:
    return Fault(kind, file.place, detail.removeprefix(f"{file.place}: "), file.series_uid)
