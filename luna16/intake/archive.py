"""Unpack a zip that somebody made, in bounds: nothing outside the folder, no more than was agreed on.

What the zip's own directory says of names and sizes is checked first, and the real bytes are counted then.
"""

import errno
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from luna16.inflation import READ_BYTES
from luna16.intake.limits import Limits

ENTRY_BYTES = 256
"""How much of the zip's directory an entry takes, with a long name."""
ALWAYS_ALLOWED_BYTES = 1 << 20
PLAIN_MODES = (0, stat.S_IFREG, stat.S_IFDIR)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
IS_ENCRYPTED = 0x1
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, OverflowError, RuntimeError, UnicodeError),
)
"""What zipfile raises on bytes that are no zip."""


class BoundedFile(io.FileIO):
    """A file that gives few bytes at once, because zipfile takes a zip's whole directory in one piece."""

    limit_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as a file does; ValueError if more is asked for than the limit."""
        if size is not None and size > self.limit_bytes:
            raise ValueError("The zip has too many entries: zip the folder of one scan.")
        return super().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place as a file does; BadZipFile if there is none, as in a damaged zip."""
        try:
            return super().seek(offset, whence)
        except OSError as error:
            raise zipfile.BadZipFile from error


def unpack(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack the files of a zip into ``folder``, those of each of its folders into a numbered one.

    Raises ValueError if the zip is damaged, hostile or beyond the limits, and OSError if the disk is full.
    """
    try:
        with BoundedFile(path) as file:
            file.limit_bytes = max(limits.max_entries * ENTRY_BYTES, READ_BYTES)
            with zipfile.ZipFile(file) as archive:
                _unpack_all(archive, folder, path.stat().st_size, limits)
    except DAMAGED:
        raise ValueError("The zip is damaged: make or copy it again.") from None


def _unpack_all(archive: zipfile.ZipFile, folder: Path, zip_bytes: int, limits: Limits) -> None:
    entries = archive.infolist()
    allowed = min(limits.max_unpacked_bytes, max(zip_bytes * limits.max_ratio, ALWAYS_ALLOWED_BYTES))
    check_entries(entries, limits)
    _check_room(sum(entry.file_size for entry in entries), allowed, folder, limits)
    for entry, target in _choose_targets(entries, folder):
        target.parent.mkdir(exist_ok=True)
        allowed -= _extract(archive, entry, target, allowed)


def check_entries(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    """Raise ValueError if the zip's directory holds what a zip of one scan does not."""
    if len(entries) > limits.max_entries:
        raise ValueError(
            f"The zip has {len(entries)} entries, expected {limits.max_entries} at most: zip one scan only."
        )
    for entry in entries:
        if fault := find_fault(entry, limits):
            raise ValueError(f"An entry of the zip {fault}: zip the folder of one scan anew.")
    if len({PurePosixPath(entry.filename) for entry in entries}) < len(entries):
        raise ValueError("Two entries of the zip have the same name: zip the folder of one scan anew.")


def find_fault(entry: zipfile.ZipInfo, limits: Limits) -> str | None:
    """Say what is wrong with an entry, as the second half of a sentence, or None."""
    name = entry.orig_filename  # zipfile cuts the other one at a NUL
    parts = PurePosixPath(name).parts
    longest = max((len(part.encode(errors="surrogateescape")) for part in parts), default=0)
    faults = {
        f"has a name of {longest} bytes, expected {limits.max_name_bytes} at most": longest
        > limits.max_name_bytes,
        "has a control character in its name": not name.isprintable(),
        "points outside the zip": not parts
        or name[0] == "/"
        or ".." in parts
        or "\\" in name
        or ":" in parts[0],
        "is a link or a device": stat.S_IFMT(entry.external_attr >> 16) not in PLAIN_MODES,
        "is encrypted": bool(entry.flag_bits & IS_ENCRYPTED),
        f"is packed by method {entry.compress_type}, expected deflate": entry.compress_type not in METHODS,
        "is a zip itself": name.lower().endswith(".zip"),
    }
    return next((fault for fault, is_there in faults.items() if is_there), None)


def _check_room(promised: int, allowed: int, folder: Path, limits: Limits) -> None:
    if promised > allowed:
        raise _too_large(allowed)
    free = shutil.disk_usage(folder).free
    if free < promised + limits.spare_bytes:
        raise OSError(errno.ENOSPC, f"unpacked it has {promised} bytes, {free} are free on the disk")


def _choose_targets(entries: list[zipfile.ZipInfo], folder: Path) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    """Yield the files and where they go; their own names are kept, by which a header finds its voxels."""
    numbers: dict[PurePosixPath, int] = {}
    for entry in entries:
        name = PurePosixPath(entry.filename)
        if entry.is_dir() or is_hidden(name):
            continue
        number = numbers.setdefault(name.parent, len(numbers))
        yield entry, folder / str(number) / name.name


def is_hidden(name: PurePath) -> bool:
    """Tell whether a file is none of the scan, but of the machine that it comes from."""
    return any(part[0] == "." or part == "__MACOSX" for part in name.parts)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, allowed: int) -> int:
    """Write one file block by block and give its size; the zip's own word for it is not relied on."""
    num_bytes = 0
    with archive.open(entry) as packed, target.open("xb") as file:
        while block := packed.read(READ_BYTES):
            num_bytes += len(block)
            if num_bytes > allowed:
                raise _too_large(allowed)
            file.write(block)
    if num_bytes != entry.file_size:
        raise zipfile.BadZipFile
    return num_bytes


def _too_large(allowed: int) -> ValueError:
    return ValueError(f"Unpacked, the zip has more than the {allowed} bytes allowed: zip one scan only.")
