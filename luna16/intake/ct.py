"""A chest CT that was handed over, once it has passed every check."""

from dataclasses import dataclass

from luna16.scan import Scan


@dataclass(frozen=True, eq=False)
class Ct:
    """A scan and the format that it came in: MetaImage, NIfTI, NRRD or DICOM.

    Only DICOM knows a series UID; it is empty for the others.
    """

    scan: Scan
    format: str
