"""Open what somebody hands over: one image file, a folder or a zip that holds exactly one scan."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from luna16.intake.ct import Ct
from luna16.intake.limits import LIMITS, Limits
from luna16.intake.metaimage import read_metaimage
from luna16.intake.nifti import read_nifti
from luna16.intake.nrrd import read_nrrd
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


def open_ct(path: Path, *, limits: Limits = LIMITS) -> Ct:
    """Read the one chest CT that a file, folder or zip holds.

    Raises ValueError or OSError with one sentence that says what is wrong and what to do, and names neither
    file nor series: what is no CT of the chest in HU is refused, as is what goes beyond ``limits``.
    """
    image_format = find_format(path)
    if image_format is None:
        raise ValueError(f"The file is none of {', '.join(FORMATS)}: hand over one of them.")
    try:
        return Ct(image_format.read(path, limits), image_format.name)
    except OSError as error:  # its own text holds the path
        raise OSError(f"The scan cannot be read ({error.strerror}): check the file and its rights.") from None


def find_format(path: Path) -> ImageFormat | None:
    """Give the format that a file's name tells of, or None."""
    name = path.name.lower()
    return next((found for suffix, found in FORMATS.items() if name.endswith(suffix)), None)
