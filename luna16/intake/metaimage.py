"""Read a MetaImage: .mhd with its voxels in a file beside it, or .mha with both in one."""

import re
from pathlib import Path

from luna16.header import check_grid, quote, read_numbers
from luna16.intake.image_file import read_image
from luna16.intake.layout import Layout
from luna16.intake.limits import Limits
from luna16.intake.sizes import as_size, is_plain_name
from luna16.scan import Scan, is_compressed

VOXEL_BYTES = {
    "MET_CHAR": 1,
    "MET_UCHAR": 1,
    "MET_SHORT": 2,
    "MET_USHORT": 2,
    "MET_INT": 4,
    "MET_UINT": 4,
    "MET_FLOAT": 4,
    "MET_DOUBLE": 8,
}
KEY = re.compile(r"\w+ *")
EXPECTED = {"NDims": "3", "ElementNumberOfChannels": "1", "BinaryData": "True", "HeaderSize": "0"}
"""What these keys must be, if they are there."""


def read_metaimage(path: Path, limits: Limits) -> Scan:
    """Read the scan; ValueError if its header is faulty or does not fit its voxels."""
    with path.open("rb") as file:
        header, end_bytes = parse_header(file.read(limits.max_header_bytes))
    check_keys(header)
    layout = find_voxels(path, header, end_bytes)
    return read_image(path, "MetaImageIO", layout, limits)


def parse_header(data: bytes) -> tuple[dict[str, str], int]:
    """Give the keys and values up to ElementDataFile, which is the last, and where in ``data`` they end."""
    header: dict[str, str] = {}
    end_bytes = 0
    for line in data.splitlines(keepends=True):
        end_bytes += len(line)
        key, separator, value = line.decode("latin-1").partition("=")
        if not separator or not KEY.fullmatch(key) or key.strip() in header:
            raise ValueError(
                "The file is no MetaImage header of lines with a key each: export the scan again."
            )
        header[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return header, end_bytes
    raise ValueError("The MetaImage header has no ElementDataFile: export the scan again.")


def check_keys(header: dict[str, str]) -> None:
    """Raise ValueError if a key that decides about size or place of the voxels is not as expected."""
    for key, expected in EXPECTED.items():
        if header.get(key, expected).lower() != expected.lower():
            raise ValueError(f"{quote(header, key)}, expected {expected}: hand over one plain 3-D scan.")
    if header.get("CompressedData", "False") not in ("True", "False"):
        raise ValueError(f"{quote(header, 'CompressedData')}, expected True or False: export the scan again.")
    if header.get("ElementType") not in VOXEL_BYTES:
        raise ValueError(f"{quote(header, 'ElementType')}, expected MET_SHORT: convert the scan to HU.")
    for _, detail in check_grid(header):
        raise ValueError(f"{detail[:-1]}: convert the scan again.")


def find_voxels(path: Path, header: dict[str, str], end_bytes: int) -> Layout:
    """Give the layout of the voxels; ValueError if they lie outside the header's folder or are missing."""
    name = header["ElementDataFile"]
    is_local = name.upper() == "LOCAL"
    if not is_local and not is_plain_name(name):
        raise ValueError("The header names voxels outside its own folder: put them beside it.")
    data = path if is_local else path.with_name(name)
    if not data.is_file():
        raise ValueError("The header's voxel file is missing: hand over a zip of both files.")
    layout = Layout(
        path=data,
        size_xyz_vox=as_size(read_numbers(header, "DimSize", 3), quote(header, "DimSize")),
        voxel_bytes=VOXEL_BYTES[header["ElementType"]],
        offset_bytes=end_bytes if is_local else 0,
        is_compressed=is_compressed(header),
    )
    _check_compressed_size(header, data.stat().st_size - layout.offset_bytes)
    return layout


def _check_compressed_size(header: dict[str, str], num_bytes: int) -> None:
    """From a wrong number SimpleITK asks for all memory; without one it gives voxels of no file."""
    if is_compressed(header) and header.get("CompressedDataSize") != str(num_bytes):
        raise ValueError(
            f"{quote(header, 'CompressedDataSize')}, but {num_bytes} bytes are there: copy the scan again."
        )
