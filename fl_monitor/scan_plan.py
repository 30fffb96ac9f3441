"""Which files make one scan, and under which names of ours they lie on disk."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fl_monitor.language import gettext as _
from fl_monitor.scan_limits import GB, ScanLimits

SINGLE = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip", ".dcm")
"""A scan in one file."""
DETACHED = {".mhd": (".raw", ".zraw"), ".nhdr": (".raw", ".raw.gz")}
"""A header, and what the file with its voxels may end with: the header knows that one by its name."""
LONGEST_NAME_BYTES = 200


class ScanRefusedError(Exception):
    """What a user asked about scans is not done; its text is one sentence, ``status`` the answer's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class SentFile(BaseModel):
    """A file that a browser offers; ``modified_ms`` helps to know it again."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: Annotated[str, Field(max_length=1000)]
    num_bytes: Annotated[int, Field(ge=0, le=2**53)]
    modified_ms: Annotated[int, Field(ge=-(2**53), le=2**53)] = 0


class Wish(BaseModel):
    """What a browser asks for before it sends a scan: with which model to search it, by run and kind."""

    model_config = ConfigDict(frozen=True)

    files: tuple[SentFile, ...]
    model: Annotated[str, Field(max_length=200)] = ""


@dataclass(frozen=True)
class PlannedFile:
    """A file of a scan under its name on disk."""

    name: str
    num_bytes: int


@dataclass(frozen=True)
class Plan:
    """The files of one scan in the order in which their bytes come, as one stream.

    ``ending`` is all that is told of their names; ``entry`` is what is opened, empty for the folder.
    """

    ending: str
    entry: str
    files: tuple[PlannedFile, ...]

    @property
    def num_bytes(self) -> int:
        """The size of the whole scan."""
        return sum(file.num_bytes for file in self.files)


def read_wish(body: bytes) -> Wish:
    """Read what a browser asks for; ScanRefusedError if it is nothing that our page sends."""
    try:
        return Wish.model_validate_json(body)
    except ValidationError as error:
        raise ScanRefusedError(_("The list of files is not understood. Load the page again.")) from error


def make_plan(files: Sequence[SentFile], limits: ScanLimits) -> Plan:
    """Plan one scan; ScanRefusedError, with what may be sent, if these files cannot be one."""
    _check_sizes(files, limits)
    if len(files) == 1:
        return _plan_single(files[0])
    if any(_ending_of(file, tuple(DETACHED)) for file in files):
        return _plan_detached(files)
    return Plan(
        "DICOM",
        "",
        tuple(PlannedFile(f"{no:05}.dcm", file.num_bytes) for no, file in enumerate(files, start=1)),
    )


def fingerprint_of(files: Sequence[SentFile]) -> str:
    """Return what the same files are known again by, and what does not tell their names."""
    told = [(file.name, file.num_bytes, file.modified_ms) for file in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _check_sizes(files: Sequence[SentFile], limits: ScanLimits) -> None:
    total = sum(file.num_bytes for file in files)
    if not files or len(files) > limits.num_files:
        raise ScanRefusedError(_("Choose 1 to {number} files.").format(number=limits.num_files))
    if any(file.num_bytes == 0 for file in files):
        raise ScanRefusedError(_("One of the files is empty. Copy it again, or leave it out."))
    if total > limits.upload_bytes:
        sentence = _("The scan has {size} GB; {most} GB may be sent at most.")
        raise ScanRefusedError(
            sentence.format(size=f"{total / GB:.1f}", most=f"{limits.upload_bytes / GB:g}"), 413
        )


def _plan_single(file: SentFile) -> Plan:
    ending = _ending_of(file, SINGLE)
    if ending is None:
        raise ScanRefusedError(
            _("Choose one file of {endings}, an .mhd file with its .raw or .zraw, or a DICOM folder.").format(
                endings=", ".join(SINGLE)
            ),
            415,
        )
    name = f"scan{ending}"
    return Plan(ending, name, (PlannedFile(name, file.num_bytes),))


def _plan_detached(files: Sequence[SentFile]) -> Plan:
    """Plan a header and its voxels, which keep their names: the header's text holds one of them."""
    headers = [file for file in files if _ending_of(file, tuple(DETACHED))]
    names = [_plain_name(file.name) for file in files]
    ending = _ending_of(headers[0], tuple(DETACHED)) or ""
    voxels = [file for file in files if _ending_of(file, DETACHED[ending])]
    if (len(files), len(headers), len(voxels)) != (2, 1, 1) or len(set(names)) < 2:
        sentence = _("Choose the {ending} file and the one with its voxels ({voxels}), and no other.")
        raise ScanRefusedError(sentence.format(ending=ending, voxels=", ".join(DETACHED[ending])), 415)
    planned = tuple(PlannedFile(name, file.num_bytes) for name, file in zip(names, files, strict=True))
    return Plan(ending, names[files.index(headers[0])], planned)


def _plain_name(name: str) -> str:
    """Return a name that leads nowhere else; ScanRefusedError if it is no plain one."""
    base = PurePosixPath(name.replace("\\", "/")).name
    is_plain = base.isprintable() and not base.startswith(".")
    if not base or not is_plain or len(base.encode()) > LONGEST_NAME_BYTES:
        raise ScanRefusedError(_("The names of these files are not plain: rename them, or send a .zip."), 415)
    return base


def _ending_of(file: SentFile, endings: Sequence[str]) -> str | None:
    name = file.name.lower()
    return next((ending for ending in endings if name.endswith(ending)), None)
