"""Find and read the scans of a shard: MetaImage files in the folders subset0, subset1 and so on.

A file's name is its series UID. Messages therefore name a scan by its folder and its place in name order.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.annotations import read_series_uids
from luna16.geometry import Geometry
from luna16.header import check_header
from luna16.inflation import READ_BYTES, inflate

Int16Array = npt.NDArray[np.int16]


@dataclass(frozen=True)
class ScanFile:
    """One scan on disk; ``place`` names it in messages, because its UID and path must not appear there."""

    series_uid: str = field(repr=False)
    subset: int
    path: Path = field(repr=False)
    place: str


@dataclass(frozen=True, eq=False)
class Scan:
    """One CT volume: int16 HU of shape (D, H, W), and where its voxels lie."""

    series_uid: str = field(repr=False)
    voxels_hu: Int16Array = field(repr=False)
    geometry: Geometry


def find_scans(root: Path, subsets: Sequence[int] | None = None) -> list[ScanFile]:
    """List the scans of the subset folders in ``root`` (of all of them by default), by subset and name.

    Raises FileNotFoundError if ``root`` or a subset folder is missing or a folder holds no .mhd file, and
    ValueError if a scan is in two subsets.
    """
    scans = [scan for subset in _choose_subsets(root, subsets) for scan in list_subset(root, subset)]
    _check_unique(scans)
    return scans


def find_listed_scans(root: Path, subsets: Sequence[int] | None = None) -> list[ScanFile]:
    """List the scans as ``find_scans`` does; ValueError if seriesuids.csv does not name one of them."""
    scans = find_scans(root, subsets)
    listed = set(read_series_uids(root))
    for scan in scans:
        if scan.series_uid not in listed:
            raise ValueError(f"{scan.place}: this scan is not listed in seriesuids.csv.")
    return scans


def find_subsets(root: Path) -> list[int]:
    """List the numbers of the subset folders in ``root``; FileNotFoundError if there is none."""
    if not root.is_dir():
        raise FileNotFoundError(f"No data folder {root}. Check the path.")
    names = [re.fullmatch(r"subset(\d+)", folder.name) for folder in list_folder(root) if folder.is_dir()]
    found = sorted(int(name[1]) for name in names if name)
    if not found:
        raise FileNotFoundError(f"{root} holds no subset folder, expected subset0, subset1 and so on.")
    return found


def list_subset(root: Path, subset: int) -> list[ScanFile]:
    """List the scans of one subset folder by name.

    Raises FileNotFoundError if it holds no .mhd file, and OSError if it cannot be read.
    """
    folder = root / f"subset{subset}"
    paths = [path for path in list_folder(folder) if path.suffix.lower() == ".mhd"]
    if not paths:
        raise FileNotFoundError(f"{folder} holds no .mhd file. Check the path.")
    return [
        ScanFile(path.stem, subset, path, f"subset{subset}, scan {number} of {len(paths)} in name order")
        for number, path in enumerate(paths, start=1)
    ]


def list_folder(folder: Path) -> list[Path]:
    """List what a folder holds by name; OSError, with one line, if it cannot be read.

    Hidden files are left out: a Mac writes a ``._<name>.mhd`` beside each file that it copies.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise OSError(f"{folder} cannot be read ({error.strerror}). Check its rights.") from None


def load_scan(file: ScanFile) -> Scan:
    """Read one scan with SimpleITK.

    Raises ValueError if the header is faulty, or if the voxels are missing, too few, damaged, not
    16-bit or all equal. Files are checked before SimpleITK reads them, as it takes a damaged .zraw without an
    error.
    """
    try:
        header = read_header(file)
        _check_header(file, header)
        reader = open_header(file)
        _check_voxel_file(file, header, num_bytes=2 * math.prod(reader.GetSize()))
        voxels_hu = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise ValueError(f"{file.place}: SimpleITK cannot read its voxels.") from error
    except OSError as error:  # its text holds the path, and so the series UID
        raise ValueError(f"{file.place}: it cannot be read ({error.strerror}).") from None
    if voxels_hu.min() == voxels_hu.max():
        raise ValueError(f"{file.place}: every voxel is {voxels_hu.min()} HU.")
    return Scan(file.series_uid, voxels_hu, geometry_of(reader))


def read_header(file: ScanFile) -> dict[str, str]:
    """Give the keys and values of a .mhd header as text, unchecked."""
    lines = file.path.read_text(encoding="latin-1").splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def open_header(file: ScanFile) -> sitk.ImageFileReader:
    """Give SimpleITK's reader of a scan, which has read the header but no voxel.

    Raises ValueError if the header cannot be read or tells of anything but 3-D voxels of 16 bit.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO("MetaImageIO")  # by itself SimpleITK knows it by a lower-case .mhd only
    reader.SetFileName(str(file.path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"{file.place}: the .mhd header cannot be read.") from error
    if reader.GetDimension() != 3 or reader.GetPixelID() != sitk.sitkInt16:
        pixel_type = sitk.GetPixelIDValueAsString(reader.GetPixelID())
        raise ValueError(
            f"{file.place}: the header tells of {reader.GetDimension()}-D {pixel_type}, "
            "expected 3-D MET_SHORT (16-bit signed integer)."
        )
    return reader


def find_voxel_file(file: ScanFile, header: dict[str, str]) -> Path:
    """Give the path of a scan's voxels; ValueError if it is missing, in another folder or of another name."""
    name = header.get("ElementDataFile", "")
    if Path(name).name != name:
        raise ValueError(f"{file.place}: its header names voxels outside its own folder, which are not read.")
    path = file.path.with_name(name) if name else file.path.parent
    if not path.is_file():
        raise ValueError(f"{file.place}: its {path.suffix or 'voxel'} file is missing.")
    if path.stem != file.path.stem:
        raise ValueError(f"{file.place}: its header names the voxels of another scan.")
    return path


def is_compressed(header: dict[str, str]) -> bool:
    """Tell whether the voxels are a zlib stream (.zraw)."""
    return header.get("CompressedData", "False").lower() == "true"


def read_voxel_blocks(file: ScanFile, path: Path, header: dict[str, str]) -> Iterator[bytes]:
    """Yield the bytes of all voxels, inflated, in blocks of at most 1 MiB.

    Raises ValueError as soon as the file turns out to be damaged, cut short or not the header's.
    """
    with path.open("rb") as voxels:
        blocks = iter(lambda: voxels.read(READ_BYTES), b"")
        yield from _inflate(file, path, blocks) if is_compressed(header) else blocks
    if is_compressed(header):
        _check_compressed_size(file, path, header)


def geometry_of(header: sitk.ImageFileReader) -> Geometry:
    """Give the geometry that a header tells of; SimpleITK's own axes are x, y, z."""
    width, height, depth = header.GetSize()
    return Geometry(header.GetOrigin(), header.GetSpacing(), header.GetDirection(), (depth, height, width))


def make_image(voxels_hu: Int16Array, geometry: Geometry) -> sitk.Image:
    """Give the SimpleITK image of voxels of shape (D, H, W) that lie as ``geometry`` says."""
    image = sitk.GetImageFromArray(voxels_hu)
    image.SetOrigin(geometry.origin_xyz_mm)
    image.SetSpacing(geometry.spacing_xyz_mm)
    image.SetDirection(geometry.direction)
    return image


def _choose_subsets(root: Path, subsets: Sequence[int] | None) -> list[int]:
    found = find_subsets(root)
    if missing := sorted(set(subsets or ()) - set(found)):
        raise FileNotFoundError(f"{root} has no folder subset{missing[0]}; it has subsets {found}.")
    return found if subsets is None else sorted(set(subsets))


def _check_unique(scans: list[ScanFile]) -> None:
    places: dict[str, str] = {}
    for scan in scans:
        if scan.series_uid in places:
            raise ValueError(f"{scan.place}: the same scan is also {places[scan.series_uid]}. Remove one.")
        places[scan.series_uid] = scan.place


def _check_header(file: ScanFile, header: dict[str, str]) -> None:
    for _, detail in check_header(header):
        raise ValueError(f"{file.place}: {detail}")


def _check_voxel_file(file: ScanFile, header: dict[str, str], *, num_bytes: int) -> None:
    path = find_voxel_file(file, header)
    if is_compressed(header):
        found = sum(map(len, read_voxel_blocks(file, path, header)))
    else:
        with path.open("rb"):  # SimpleITK would not say why it cannot
            found = path.stat().st_size
    if found != num_bytes:
        raise ValueError(f"{file.place}: its {path.suffix} file holds {found} bytes, expected {num_bytes}.")


def _check_compressed_size(file: ScanFile, path: Path, header: dict[str, str]) -> None:
    """SimpleITK trusts this number so much that a wrong one makes it ask for all memory."""
    found = str(path.stat().st_size)
    if header.get("CompressedDataSize", found) != found:
        raise ValueError(
            f"{file.place}: its {path.suffix} file has {found} bytes, which is not what its header says."
        )


def _inflate(file: ScanFile, path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from inflate(blocks)
    except ValueError as error:
        raise ValueError(f"{file.place}: its {path.suffix} file {error}") from error
