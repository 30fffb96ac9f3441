"""The voxels of a scan for a slice viewer: raw HU in upright order, and where the marks lie in them."""

from collections.abc import Sequence
from pathlib import Path

from luna16.detection.marks import Mark
from luna16.detection.result import list_nodules
from luna16.scan import Scan
from luna16.whole_files import write_json


def write_view(path: Path, upright: Scan, marks: Sequence[Mark]) -> None:
    """Write the voxels as little-endian int16 of shape (D, H, W), and a .json that tells of them beside it.

    x grows to the patient's left, y to the back and z to the head.
    """
    geometry = upright.geometry
    with path.open("wb") as file:  # unlike tofile, it says why it cannot
        for plane_hu in upright.voxels_hu:
            file.write(plane_hu.astype("<i2").tobytes())
    about = {
        "size_zyx_vox": geometry.size_zyx_vox,
        "spacing_zyx_mm": geometry.spacing_xyz_mm[::-1],
        "nodules": list_nodules(marks, geometry),
    }
    write_json(path.with_suffix(".json"), about)
