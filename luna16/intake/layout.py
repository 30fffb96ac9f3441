"""Check that a file holds the voxels that its header promises, before any memory is asked for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from luna16.geometry import Size3
from luna16.inflation import READ_BYTES, inflate
from luna16.intake.limits import Limits


@dataclass(frozen=True)
class Layout:
    """Where a scan's voxels lie in a file, by its header.

    ``lead_bytes`` stand before the voxels in the stream that begins at ``offset_bytes``; ``is_compressed``
    tells whether that is a zlib or gzip stream.
    """

    path: Path = field(repr=False)
    size_xyz_vox: Size3
    voxel_bytes: int
    offset_bytes: int = 0
    lead_bytes: int = 0
    is_compressed: bool = False


def check_layout(layout: Layout, limits: Limits) -> None:
    """Raise ValueError if the scan is too small or large, or its file does not hold what is promised."""
    check_size(layout.size_xyz_vox, limits)
    promised = math.prod(layout.size_xyz_vox) * layout.voxel_bytes
    found = max(0, _count_bytes(layout, promised + layout.lead_bytes) - layout.lead_bytes)
    if found != promised:
        many = "more" if found > promised else found
        raise ValueError(
            f"The file holds {many} bytes of voxels where its header promises {promised}: copy it again."
        )


def check_size(size_xyz_vox: Size3, limits: Limits) -> None:
    """Raise ValueError if a scan of this size is no chest CT or too large to be read."""
    width, height, depth = size_xyz_vox
    size = f"The scan has {width} x {height} x {depth} voxels"
    if min(size_xyz_vox) < limits.min_side_vox:
        raise ValueError(
            f"{size}, expected {limits.min_side_vox} or more each way: hand over a whole series."
        )
    if math.prod(size_xyz_vox) > limits.max_voxels:
        raise ValueError(f"{size}, expected {limits.max_voxels} in all at most: hand over fewer slices.")


def _count_bytes(layout: Layout, enough: int) -> int:
    """Count the bytes of the stream, of a compressed one no further than a block beyond ``enough``."""
    if not layout.is_compressed:
        return layout.path.stat().st_size - layout.offset_bytes
    total = 0
    for block in read_blocks(layout.path, layout.offset_bytes, is_compressed=True):
        total += len(block)
        if total > enough:
            break
    return total


def read_blocks(path: Path, offset_bytes: int = 0, *, is_compressed: bool) -> Iterator[bytes]:
    """Yield a file from ``offset_bytes`` on, inflated if it is compressed, in blocks of at most 1 MiB.

    Raises ValueError if it is compressed and damaged or cut short.
    """
    with path.open("rb") as file:
        file.seek(offset_bytes)
        blocks = iter(lambda: file.read(READ_BYTES), b"")
        try:
            yield from inflate(blocks) if is_compressed else blocks
        except ValueError as error:
            raise ValueError(f"The compressed part of the file {str(error)[:-1]}: copy it again.") from None
