"""A data set of nine tiny scans in three subsets, for what concerns files and tables but not voxels."""

from pathlib import Path

import numpy as np

from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.phantom import ScanRows, write_image, write_tables
from luna16.phantom_scanner import SCANNERS

NUM_SUBSETS = 3
SCANS_PER_SUBSET = 3


def write_small_data_set(root: Path) -> Path:
    """Write scan i of subset k with i nodules of k + 5 mm and one other candidate; give ``root``."""
    rows = []
    for subset in range(NUM_SUBSETS):
        folder = root / f"subset{subset}"
        folder.mkdir(parents=True)
        for i in range(SCANS_PER_SUBSET):
            series_uid = f"2.25.{subset}000{i}"
            voxels_hu = np.full((4, 5, 6), 100 * subset + i, np.int16)
            voxels_hu[0, 0, 0] = -1000
            geometry = Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), AXIAL_DIRECTION, (4, 5, 6))
            write_image(folder / f"{series_uid}.mhd", voxels_hu, geometry, SCANNERS[subset])
            place = (series_uid, 1.0, 2.0, 2.5)
            rows.append(
                ScanRows(
                    series_uid,
                    [(*place, subset + 5.0)] * i,
                    [(*place, -1)],
                    [(*place, 1)] * i + [(*place, 0)],
                )
            )
    write_tables(root, rows)
    return root
