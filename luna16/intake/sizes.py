"""Read what headers say of sizes and names of files, as all formats must."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from luna16.geometry import Size3

PATTERN = re.compile(r"%\d*d|[*?\x00-\x1f\\]")
LARGEST_SIDE_VOX = 1 << 20


def as_size(numbers: Sequence[float] | None, found: str) -> Size3:
    """Give three sizes in voxels; ValueError that tells what was ``found`` if they are none."""
    if numbers is None or not all(1 <= n <= LARGEST_SIDE_VOX and float(n).is_integer() for n in numbers):
        raise ValueError(f"{found}, expected three sizes in voxels: export the scan again.")
    x, y, z = map(int, numbers)
    return x, y, z


def is_plain_name(name: str) -> bool:
    """Tell whether a header names one voxel file in its own folder, not a pattern or a list."""
    is_word = bool(name) and name.split(maxsplit=1)[0].upper() not in {"LIST", "LOCAL"}
    return is_word and PurePosixPath(name).name == name and not PATTERN.search(name)
