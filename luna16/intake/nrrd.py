"""Read an NRRD: .nrrd with header and voxels in one file, or .nhdr with the voxels beside it."""

import re
from pathlib import Path

import numpy as np

from luna16.header import is_orthonormal, quote, read_numbers
from luna16.intake.grid import are_places, oblique
from luna16.intake.image_file import read_image
from luna16.intake.layout import Layout
from luna16.intake.limits import Limits
from luna16.intake.sizes import as_size, is_plain_name
from luna16.scan import Scan

VOXEL_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4
    ),
    "float": 4,
    "double": 8,
}
SPACES = (
    *("left-posterior-superior", "lps", "right-anterior-superior", "ras"),
    *("left-anterior-superior", "las"),
)
"""The worlds that SimpleITK turns into LPS."""
COMPRESSED = {"raw": False, "gzip": True, "gz": True}
SKIPS = ("line skip", "lineskip", "byte skip", "byteskip")
VECTOR = re.compile(r"\(([^(),]*),([^(),]*),([^(),]*)\)")


def read_nrrd(path: Path, limits: Limits) -> Scan:
    """Read the scan; ValueError if its header is faulty or does not fit its voxels."""
    with path.open("rb") as file:
        header, end_bytes = parse_header(file.read(limits.max_header_bytes))
    check_fields(header)
    return read_image(path, "NrrdImageIO", find_voxels(path, header, end_bytes), limits)


def parse_header(data: bytes) -> tuple[dict[str, str], int]:
    """Give the fields up to the first empty line, and where in ``data`` the voxels begin."""
    lines = data.splitlines(keepends=True)
    if not lines or not re.fullmatch(rb"NRRD000[1-5]\r?\n", lines[0]):
        raise ValueError("The file has no NRRD header: export the scan again as .nrrd.")
    header: dict[str, str] = {}
    end_bytes = len(lines[0])
    for line in lines[1:]:
        end_bytes += len(line)
        if not line.strip():
            break
        _add_field(header, line.decode("latin-1").strip())
    return header, end_bytes


def _add_field(header: dict[str, str], line: str) -> None:
    """Add a field; comments and the key:=value pairs of anybody's own are left out."""
    if line.startswith("#") or ":=" in line:
        return
    key, separator, value = line.partition(":")
    if not separator or key.lower() in header:
        raise ValueError("A line of the NRRD header is no field, or there twice: export the scan again.")
    header[key.lower()] = value.strip()


def check_fields(header: dict[str, str]) -> None:
    """Raise ValueError if the header tells of anything but one 3-D scan that knows where it lies."""
    if header.get("dimension") != "3":
        raise ValueError(f"{quote(header, 'dimension')}, expected 3: hand over one 3-D scan in grey values.")
    if header.get("type", "").lower() not in VOXEL_BYTES:
        raise ValueError(f"{quote(header, 'type')}, expected short: convert the scan to HU.")
    if header.get("encoding", "").lower() not in COMPRESSED:
        raise ValueError(f"{quote(header, 'encoding')}, expected raw or gzip: export the scan again.")
    if header.get("space", "").lower() not in SPACES:
        raise ValueError(
            f"{quote(header, 'space')}, expected left-posterior-superior: export the scan again."
        )
    if any(header.get(skip, "0") != "0" for skip in SKIPS):
        raise ValueError("The header skips part of its voxel file: export the scan again.")
    _check_axes(header)


def _check_axes(header: dict[str, str]) -> None:
    origin = VECTOR.fullmatch(header.get("space origin", ""))
    axes = VECTOR.findall(header.get("space directions", ""))
    try:
        axes_mm = np.array(axes, dtype=float).reshape(-1, 3)
        is_placed = are_places(map(float, origin.groups() if origin else "?")) and are_places(axes_mm.ravel())
    except ValueError:
        is_placed = False
    if not is_placed or len(axes_mm) != 3 or not np.linalg.norm(axes_mm, axis=1).all():
        raise ValueError("The header does not say where the voxels lie in mm: export the scan again.")
    if not is_orthonormal((axes_mm.T / np.linalg.norm(axes_mm, axis=1)).ravel().tolist()):
        raise ValueError(oblique())


def find_voxels(path: Path, header: dict[str, str], end_bytes: int) -> Layout:
    """Give the layout of the voxels; ValueError if they lie outside the header's folder or are missing."""
    name = header.get("data file", header.get("datafile"))
    if name is not None and not is_plain_name(name):
        raise ValueError("The header names voxels outside its own folder: put them beside it.")
    data = path if name is None else path.with_name(name)
    if not data.is_file():
        raise ValueError("The header's voxel file is missing: hand over a zip of both files.")
    return Layout(
        path=data,
        size_xyz_vox=as_size(read_numbers(header, "sizes", 3), quote(header, "sizes")),
        voxel_bytes=VOXEL_BYTES[header["type"].lower()],
        offset_bytes=end_bytes if name is None else 0,
        is_compressed=COMPRESSED[header["encoding"].lower()],
    )
