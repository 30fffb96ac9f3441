"""What a shard is said to hold: its manifest.json, and the check of the shard against it.

A manifest stays with the shard at the hospital. It holds series UIDs; what the check finds does not.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from luna16.inventory import Summary, read_inventory, summarize
from luna16.recipe import Recipe

MANIFEST = "manifest.json"

OnProgress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class FileRecord:
    """One file of a shard; ``name`` is its path in it, such as annotations.csv."""

    name: str = field(repr=False)
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class ScanRecord:
    """One scan of a shard: its header and its voxels."""

    series_uid: str = field(repr=False)
    subset: int
    files: tuple[FileRecord, ...]


@dataclass(frozen=True)
class Manifest:
    """All that is said of one shard, and how it was made."""

    format_version: Literal[1]
    site: str
    recipe: Recipe
    made_at: datetime
    made_with: str
    subsets: tuple[int, ...]
    vendors: tuple[str, ...]
    summary: Summary
    tables: tuple[FileRecord, ...]
    scans: tuple[ScanRecord, ...]


class DifferenceKind(StrEnum):
    """In what a shard differs from its manifest."""

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    EXTRA = "extra"
    COUNTS = "counts"


@dataclass(frozen=True)
class Difference:
    """One way in which a shard is not as its manifest says; it holds no series UID."""

    place: str
    kind: DifferenceKind
    detail: str


MANIFEST_TYPE = TypeAdapter(Manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the shard that lies in ``folder``."""
    (folder / MANIFEST).write_bytes(MANIFEST_TYPE.dump_json(manifest, indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the shard in ``folder``.

    Raises FileNotFoundError if there is none, and ValueError if it is damaged or of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"No {MANIFEST} in {folder}. Name the folder of a shard: OUT/SITE.")
    try:
        return MANIFEST_TYPE.validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{path} is damaged: {place}: {fault['msg']}. Make the shard again.") from None


def check_shard(folder: Path, on_progress: OnProgress | None = None) -> list[Difference]:
    """Compare every file and count of the shard in ``folder`` with its manifest; [] if all is as it says.

    ``on_progress`` is told the number of files read and of all files.

    Raises FileNotFoundError or ValueError if the manifest cannot be read.
    """
    manifest = read_manifest(folder)
    found = map_in_threads(
        lambda named: _check_file(folder, *named), list(_name_files(manifest)), on_progress
    )
    differences = [difference for difference in found if difference]
    return [*differences, *_find_extra_files(folder, manifest), *_check_counts(folder, manifest)]


def record_file(path: Path, name: str) -> FileRecord:
    """Read a file once, in blocks, to give its record under ``name``."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileRecord(name, file.tell(), digest.hexdigest())


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], on_progress: OnProgress | None
) -> list[Result]:
    """Give ``function(item)`` of every item, in order; copying and hashing leave Python to the others.

    The first error ends it: what has not begun is not begun.
    """
    pool = ThreadPoolExecutor()
    try:
        futures = [pool.submit(function, item) for item in items]
        for num_done, future in enumerate(as_completed(futures), start=1):
            future.result()
            if on_progress:
                on_progress(num_done, len(items))
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)


def _name_files(manifest: Manifest) -> Iterator[tuple[str, FileRecord]]:
    """Yield every file with a name for messages, which for a scan is its place in name order."""
    for table in manifest.tables:
        yield table.name, table
    num_scans = Counter(scan.subset for scan in manifest.scans)
    num_seen: Counter[int] = Counter()
    for scan in sorted(manifest.scans, key=lambda scan: (scan.subset, scan.series_uid)):
        num_seen[scan.subset] += 1
        place = f"subset{scan.subset}, scan {num_seen[scan.subset]} of {num_scans[scan.subset]}"
        for file in scan.files:
            yield f"{place}, {Path(file.name).suffix}", file


def _check_file(folder: Path, place: str, expected: FileRecord) -> Difference | None:
    path = folder / expected.name
    try:
        if not path.is_file():
            is_broken_link = path.is_symlink()
            return Difference(
                place, DifferenceKind.MISSING, "its link leads nowhere" if is_broken_link else ""
            )
        if (num_bytes := path.stat().st_size) != expected.num_bytes:
            return Difference(
                place, DifferenceKind.CHANGED, f"{num_bytes} bytes, expected {expected.num_bytes}"
            )
        if record_file(path, expected.name) != expected:
            return Difference(place, DifferenceKind.CHANGED, "as long as expected, but its sha256 is another")
    except OSError as error:  # its text holds the path, and so the series UID
        return Difference(place, DifferenceKind.UNREADABLE, os.strerror(error.errno or 0))
    return None


def _find_extra_files(folder: Path, manifest: Manifest) -> Iterator[Difference]:
    """Yield one difference for each folder, as a file's name may hold a series UID."""
    known = {file.name for _, file in _name_files(manifest)} | {MANIFEST}
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    extra = Counter(_name_folder(name) for name in names if name.as_posix() not in known)
    for place, num_files in sorted(extra.items()):
        yield Difference(place, DifferenceKind.EXTRA, f"files that the manifest does not list: {num_files}")


def _name_folder(file_name: Path) -> str:
    folder = file_name.parts[0] if len(file_name.parts) > 1 else ""
    return folder if re.fullmatch(r"subset\d+", folder) else "beside the subsets"


def _check_counts(folder: Path, manifest: Manifest) -> Iterator[Difference]:
    try:
        found = _flatten(summarize(read_inventory(folder)))
    except (ValueError, FileNotFoundError) as error:
        yield Difference("the shard", DifferenceKind.UNREADABLE, str(error))
        return
    for name, expected in _flatten(manifest.summary).items():
        if found[name] != expected:
            yield Difference(name, DifferenceKind.COUNTS, f"{found[name]}, expected {expected}")


def _flatten(summary: Summary) -> dict[str, float | None]:
    values = asdict(summary)
    bands: dict[str, int] = values.pop("diameter_bands")
    return {**values, **bands}
