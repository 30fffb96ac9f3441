"""Open what somebody hands over: one image file, a folder or a zip that holds exactly one scan."""

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import NamedTuple

from luna16.intake.archive import is_hidden, unpack
from luna16.intake.ct import Ct
from luna16.intake.dicom import read_dicom
from luna16.intake.limits import LIMITS, Limits
from luna16.intake.metaimage import read_metaimage
from luna16.intake.nifti import read_nifti
from luna16.intake.nrrd import read_nrrd
from luna16.intake.slices import read_slices
from luna16.scan import Scan


class ImageFormat(NamedTuple):
    """A format that holds a scan in one file, and who reads it."""

    name: str
    read: Callable[[Path, Limits], Scan]


META_IMAGE = ImageFormat("MetaImage", read_metaimage)
NIFTI = ImageFormat("NIfTI", read_nifti)
NRRD = ImageFormat("NRRD", read_nrrd)
FORMATS = {
    ".mhd": META_IMAGE,
    ".mha": META_IMAGE,
    ".nii": NIFTI,
    ".nii.gz": NIFTI,
    ".nrrd": NRRD,
    ".nhdr": NRRD,
}
NAMES = ", ".join(FORMATS)


def open_ct(path: Path, *, limits: Limits = LIMITS) -> Ct:
    """Read the one chest CT that a file, a folder or a zip holds.

    A zip is unpacked into a private temporary folder, which is gone in any case when this function ends.

    Raises ValueError or OSError with one sentence that says what is wrong and what to do, and names neither
    file nor series: what is no CT of the chest in HU is refused, as is what goes beyond ``limits``.
    """
    try:
        if path.suffix.lower() == ".zip":
            return _open_zip(path, limits)
        return _open_folder(path, limits) if path.is_dir() else _open_file(path, limits)
    except OSError as error:  # its own text holds the path
        raise OSError(
            f"The scan cannot be read ({error.strerror}): check its rights and the room for temporary files."
        ) from None


def find_format(path: Path) -> ImageFormat | None:
    """Give the format that a file's name tells of, or None."""
    name = path.name.lower()
    return next((found for suffix, found in FORMATS.items() if name.endswith(suffix)), None)


def _open_zip(path: Path, limits: Limits) -> Ct:
    with tempfile.TemporaryDirectory(prefix="fedluna-scan-") as folder:
        unpack(path, Path(folder), limits)
        return _open_folder(Path(folder), limits)


def _open_folder(folder: Path, limits: Limits) -> Ct:
    """Read the one scan in a folder and those in it, whatever else lies there."""
    paths = list_files(folder, limits)
    images = [path for path in paths if find_format(path)]
    slices = read_slices((path for path in paths if path not in set(images)), limits)
    if len(images) > 1 or (images and slices):
        beside = f" and {len(slices)} DICOM images" if slices else ""
        raise ValueError(f"It holds {len(images)} image files{beside}: hand over one scan.")
    if images:
        return _open_file(images[0], limits)
    if not slices:
        raise ValueError(f"It holds no scan: hand over a DICOM series or one file of {NAMES}.")
    return Ct(read_dicom(slices, limits), "DICOM")


def _open_file(path: Path, limits: Limits) -> Ct:
    image_format = find_format(path)
    if image_format is None:
        raise ValueError(f"The file is none of {NAMES}: hand over one, a DICOM folder or a .zip.")
    return Ct(image_format.read(path, limits), image_format.name)


def list_files(folder: Path, limits: Limits) -> list[Path]:
    """List the files in a folder and those in it, but for hidden ones; ValueError if there are too many."""
    found: list[Path] = []
    for path in folder.rglob("*"):
        if path.is_file() and not is_hidden(PurePath(path.relative_to(folder))):
            found.append(path)
        if len(found) > limits.max_entries:
            raise ValueError(f"The folder holds over {limits.max_entries} files: hand over that of one scan.")
    return sorted(found)
