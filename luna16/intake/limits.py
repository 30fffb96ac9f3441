"""What a scan that is handed over may be at most: bounds that no chest CT comes near."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds on a scan and on the archive that it came in.

    ``max_ratio`` is how many times larger a zip may become, and ``spare_bytes`` what unpacking leaves free
    on the disk.
    """

    min_side_vox: int = 16
    max_voxels: int = 1 << 29
    max_header_bytes: int = 1 << 20
    max_slice_bytes: int = 64 << 20
    max_entries: int = 20_000
    max_name_bytes: int = 255
    max_unpacked_bytes: int = 4 << 30
    max_ratio: int = 200
    spare_bytes: int = 256 << 20


LIMITS = Limits()
