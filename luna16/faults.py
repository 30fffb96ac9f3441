"""What can be wrong with a data set: the kinds of fault, what to do about each, and one fault found."""

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True)
class _About:
    title: str
    advice: str
    sets_aside: bool = True


class FaultKind(Enum):
    """A kind of fault; ``sets_aside`` tells whether a scan that has it should not be used."""

    HEADER = _About("header cannot be read", "Copy the .mhd file again from its source.")
    VOXEL_TYPE = _About("voxels are not 3-D 16-bit", "Convert the scan to 3-D MET_SHORT in HU.")
    SPACING = _About("spacing or origin is wrong", "Convert the scan again from its DICOM series.")
    DIRECTION = _About("direction is not orthonormal", "Convert again; a tilted gantry must be resampled.")
    VOXEL_FILE = _About(
        "voxel file is missing or elsewhere", "Put it beside its header, under the same name."
    )
    VOXEL_LENGTH = _About("voxels do not fit the header", "Copy both files again from their source.")
    VOXELS_DAMAGED = _About("voxel file does not inflate", "Copy the .zraw file again from its source.")
    VOXELS_EQUAL = _About("all voxels are equal", "Convert the scan again from its DICOM series.")
    HU_RANGE = _About("values are no HU of a chest", "Convert again, with rescale slope and intercept.")
    UNREADABLE = _About("file cannot be read", "Check the disk and the rights of the file.")
    NOT_CHECKED = _About("check broke off", "Try again with fewer --jobs; look at the file.")
    TWO_PLACES = _About("scan lies in two subsets", "Remove all but one of them.")
    SAME_VOXELS = _About("same voxels as another scan", "Find out which UID is right; remove the other.")
    NOT_LISTED = _About("scan is not in seriesuids.csv", "Add its UID to the table, or remove the scan.")
    OUTSIDE = _About("table names a place outside the scan", "Compare the row with the scan's origin.")
    SCAN_NAME = _About(
        "file name is not a series UID", "Make sure that it names no patient.", sets_aside=False
    )
    EMPTY_SUBSET = _About("subset holds no scan", "Unpack it, or remove the folder.", sets_aside=False)
    NO_HEADER = _About("voxel file has no header", "Copy its .mhd file from the source.", sets_aside=False)
    TABLE = _About("table is missing or unreadable", "Take it from the challenge's files.", sets_aside=False)
    SCANNERS = _About("table of scanners cannot be used", "Mend or remove it.", sets_aside=False)
    ROW = _About("row of a table is wrong", "Mend the row.")
    UNKNOWN_SCAN = _About("rows of a scan that is not listed", "Add it to seriesuids.csv.", sets_aside=False)
    LISTED_TWICE = _About("scan is listed twice", "Remove a line of seriesuids.csv.", sets_aside=False)
    SWAPPED = _About(
        "columns of a table look swapped", "Compare its header line with its columns.", sets_aside=False
    )

    @property
    def title(self) -> str:
        """The kind in a few words."""
        return self.value.title

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.value.advice

    @property
    def sets_aside(self) -> bool:
        """Whether a scan with this fault should not be used."""
        return self.value.sets_aside


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; ``place`` names it without the UID of its scan."""

    kind: FaultKind
    place: str
    detail: str
    series_uid: str = field(default="", repr=False)
