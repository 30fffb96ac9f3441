"""What must not be found in bytes that have left a site, and the search for it."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luna16.config import DataConfig

Needles = Mapping[str, Iterable[bytes]]
"""The bytes to look for, by what they are."""

WINDOW_BYTES = 32
NUM_DECIMALS = 4
TABLES = ("annotations.csv", "annotations_excluded.csv", "candidates_V2.csv")


def find_needles(needles: Needles, stream: bytes) -> set[str]:
    """Return of what there is any in the stream."""
    return {what for what, parts in needles.items() if any(part in stream for part in parts)}


def list_site_secrets(data_root: Path, home: Path) -> dict[str, list[bytes]]:
    """Return what a site has and must not tell: its scans, its findings, and the names of their files.

    Of its many candidates every fourth is enough.
    """
    rows = [Row(tuple(line[1:])) for name in TABLES for line in read_lines(data_root / name)[::4]]
    return {
        "UID of a scan": [uid[:20].encode() for uid in (data_root / "seriesuids.csv").read_text().split()],
        "number of a finding as text": [text for row in rows for text in row.texts()],
        "number of a finding as float64": [number for row in rows for number in row.doubles()],
        "place of a finding as float32": [row.place_xyz_mm.astype("<f4").tobytes() for row in rows],
        "path or file name": [str(path).encode() for path in (data_root, home, *TABLES)],
        "voxels of a scan": [window for path in data_root.glob("*/*.raw") for window in cut_scan(path)],
        "voxels of a patch": [window for path in home.rglob("patches.int16") for window in cut_patches(path)],
    }


def read_lines(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


@dataclass(frozen=True)
class Row:
    """A finding as a table has it: x, y and z in mm, and of a nodule its diameter."""

    numbers: tuple[str, ...]

    @property
    def place_xyz_mm(self) -> npt.NDArray[np.float64]:
        return np.array(self.numbers[:3], dtype=float)

    @property
    def telling(self) -> list[str]:
        """The numbers with decimals enough not to be met by chance, as 1 or 5.0 may be."""
        return [number for number in self.numbers if len(number.partition(".")[2]) >= NUM_DECIMALS]

    def texts(self) -> list[bytes]:
        """Return the numbers as far as the fourth decimal: so they are also found where more is told."""
        return [number[: number.index(".") + NUM_DECIMALS + 1].encode() for number in self.telling]

    def doubles(self) -> list[bytes]:
        return [np.array(float(number), "<f8").tobytes() for number in self.telling]


def cut_scan(path: Path, num_windows: int = 20) -> list[bytes]:
    """Return windows from all over a scan's file; those of air are all alike, and left out."""
    content = path.read_bytes()
    starts = np.linspace(0, len(content) - WINDOW_BYTES, num_windows).astype(int) & ~1
    return list_telling(content[start : start + WINDOW_BYTES] for start in starts)


def cut_patches(path: Path) -> list[bytes]:
    """Return the middle row of patches of 16 voxels a side, in HU and as the model is given them."""
    rows_hu = np.fromfile(path, "<i2").reshape(-1, 16, 16, 16)[::4, 8, 8]
    config = DataConfig()
    scaled = (rows_hu.astype("<f4") - config.hu_min) / np.float32(config.hu_max - config.hu_min)
    return list_telling(row.tobytes() for row in (*rows_hu, *np.clip(scaled, 0, 1)))


def list_telling(windows: Iterable[bytes]) -> list[bytes]:
    """Leave out windows that hold few different bytes: they might be found by chance."""
    return [window for window in windows if len(set(window)) > WINDOW_BYTES // 4]


def list_model_parts(weights: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, list[bytes]]:
    """Return what is to be found of a model that travels in the clear: 16 bytes of each tensor, and names."""
    windows = (np.ascontiguousarray(tensor).tobytes()[:16] for tensor in weights.values())
    return {
        "weights": [window for window in windows if len(set(window)) > 8],
        "name of a tensor": [name.encode() for name in weights],
    }
