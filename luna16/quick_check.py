"""A look at a data folder in seconds: tables and headers are read, and voxel files measured, not read.

``luna16 verify`` reads every voxel, which takes minutes; what it finds beyond this is a damaged file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luna16.annotations import read_candidates, read_nodules
from luna16.header import check_header
from luna16.scan import (
    ScanFile,
    find_listed_scans,
    find_voxel_file,
    is_compressed,
    open_header,
    read_header,
)


@dataclass(frozen=True)
class Glance:
    """What a data folder holds at first sight; ``faults`` has a sentence for each scan that is no good."""

    num_scans: int
    num_scans_with_nodules: int
    num_candidates: int
    faults: tuple[str, ...]


def glance_at(root: Path, subsets: Sequence[int] | None = None) -> Glance:
    """Look at the subsets that are used, all by default.

    Raises FileNotFoundError, ValueError or OSError if the folder or a table cannot be used at all.
    """
    files = find_listed_scans(root, subsets)
    only = {file.series_uid for file in files}
    with_nodules = {nodule.series_uid for nodule in read_nodules(root, only=only)}
    num_candidates = len(read_candidates(root, only=only))
    faults = tuple(fault for file in files if (fault := find_fault(file)))
    return Glance(len(files), len(with_nodules), num_candidates, faults)


def find_fault(file: ScanFile) -> str | None:
    """Say what is wrong with a scan without reading its voxels; None if nothing is."""
    try:
        header = read_header(file)
        for _, detail in check_header(header):
            return f"{file.place}: {detail}"
        num_bytes = 2 * math.prod(open_header(file).GetSize())
        found = find_voxel_file(file, header).stat().st_size
    except ValueError as error:
        return str(error)
    except OSError as error:  # its text holds the path, and so the series UID
        return f"{file.place}: it cannot be read ({error.strerror})."
    if not is_compressed(header) and found != num_bytes:
        return f"{file.place}: its voxel file holds {found} bytes, expected {num_bytes}."
    return None
