"""Read the headers of DICOM files: which series a slice is of, where it lies and what its pixels are."""

import logging
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import pydicom
from pydicom import uid
from pydicom.filereader import read_file_meta_info

from luna16.geometry import FloatArray
from luna16.intake.grid import are_places
from luna16.intake.limits import Limits

MAGIC = slice(128, 132)
PLAIN_SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
SYNTAXES = (
    *PLAIN_SYNTAXES,
    *uid.JPEGTransferSyntaxes,
    *uid.JPEGLSTransferSyntaxes,
    *(uid.JPEG2000Lossless, uid.JPEG2000, uid.RLELossless),
)
"""How GDCM reads pixels. The deflated syntax is not among them: pydicom would inflate it without a bound."""
TAGS = (
    *("SeriesInstanceUID", "Modality", "ImageType", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"),
    *("BitsAllocated", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "PixelData"),
)
SERIES_UID = re.compile(r"[0-9.]{1,64}")
DAMAGED = "A DICOM file is damaged or cut short: copy the folder again."

Floats = tuple[float, ...]
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Pixels:
    """What a header says of its pixels, and how many bytes of them are there."""

    size_yx_vox: tuple[int, int]
    num_frames: int
    num_samples: int
    num_bits: int
    num_bytes: int
    is_compressed: bool


@dataclass(frozen=True)
class Grid:
    """Where a slice lies: the centre of its first pixel, and the directions of a row and of a column."""

    position_xyz_mm: Floats
    orientation: Floats
    spacing_yx_mm: Floats

    @property
    def axes(self) -> FloatArray:
        """The directions of a row, of a column and of their normal, as the columns of a matrix."""
        row, column = np.reshape(self.orientation, (2, 3))
        return np.stack([row, column, np.cross(row, column)], axis=1)


@dataclass(frozen=True)
class Slice:
    """One DICOM image; ``grid`` is None if it has no place in the world."""

    path: Path = field(repr=False)
    series_uid: str = field(repr=False)
    modality: str
    is_localizer: bool
    pixels: Pixels
    grid: Grid | None


def read_slices(paths: Iterable[Path], limits: Limits) -> list[Slice]:
    """Read the headers of the files that are DICOM images; other files and reports are left out.

    Raises ValueError if one of them is damaged or of a kind that cannot be read.
    """
    found = (_read_slice(path, limits) for path in paths)
    return [image for image in found if image is not None]


def _read_slice(path: Path, limits: Limits) -> Slice | None:
    with path.open("rb") as file:
        start = file.read(MAGIC.stop)
        if start[MAGIC] != b"DICM":
            return None
        data = start + file.read(limits.max_slice_bytes)
    if len(data) > limits.max_slice_bytes:
        raise ValueError(f"A DICOM file has over {limits.max_slice_bytes} bytes: export single slices.")
    syntax = parse_quietly(lambda: str(read_file_meta_info(path).TransferSyntaxUID))
    if syntax not in SYNTAXES:
        raise ValueError("A DICOM file is packed in a way that cannot be read: export it uncompressed.")
    return parse_quietly(lambda: _parse_slice(path, data, is_compressed=syntax not in PLAIN_SYNTAXES))


def parse_quietly(read: Callable[[], Parsed]) -> Parsed:
    """Let pydicom read; whatever it warns of or raises may quote what a patient's header says."""
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception:  # noqa: BLE001 - on damaged bytes pydicom raises errors of any kind
        raise ValueError(DAMAGED) from None
    finally:
        logger.disabled = was_disabled


def _parse_slice(path: Path, data: bytes, *, is_compressed: bool) -> Slice | None:
    dataset = pydicom.dcmread(BytesIO(data), specific_tags=list(TAGS))
    return _as_slice(path, dataset, is_compressed=is_compressed) if "Rows" in dataset else None


def _as_slice(path: Path, dataset: pydicom.Dataset, *, is_compressed: bool) -> Slice:
    series_uid = str(dataset.SeriesInstanceUID)
    if not SERIES_UID.fullmatch(series_uid):
        raise ValueError(DAMAGED)
    return Slice(
        path=path,
        series_uid=series_uid,
        modality=str(dataset.Modality)[:16],
        is_localizer="LOCALIZER" in dataset.get("ImageType", ()),
        pixels=_as_pixels(dataset, is_compressed=is_compressed),
        grid=_as_grid(dataset) if "ImagePositionPatient" in dataset else None,
    )


def _as_pixels(dataset: pydicom.Dataset, *, is_compressed: bool) -> Pixels:
    return Pixels(
        size_yx_vox=(int(dataset.Rows), int(dataset.Columns)),
        num_frames=int(dataset.get("NumberOfFrames") or 1),
        num_samples=int(dataset.SamplesPerPixel),
        num_bits=int(dataset.BitsAllocated),
        num_bytes=len(dataset.PixelData),
        is_compressed=is_compressed,
    )


def _as_grid(dataset: pydicom.Dataset) -> Grid:
    return Grid(
        position_xyz_mm=_floats(dataset.ImagePositionPatient, 3),
        orientation=_floats(dataset.ImageOrientationPatient, 6),
        spacing_yx_mm=_floats(dataset.PixelSpacing, 2),
    )


def _floats(values: Iterable[float], count: int) -> Floats:
    floats = tuple(map(float, values))
    if len(floats) != count or not are_places(floats):
        raise ValueError(DAMAGED)
    return floats
