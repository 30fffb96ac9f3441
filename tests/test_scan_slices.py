import json
from pathlib import Path

import numpy as np
import pytest

from fl_monitor.scan_slices import list_files, read_slice, read_view

VOXELS = np.arange(24, dtype="<i2").reshape(2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A searched scan of 2 x 3 x 4 voxels, each with its own number."""
    for name in ("view", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "view/volume.i16").write_bytes(VOXELS.tobytes())
    box = {"size_zyx_vox": [2, 3, 4], "spacing_zyx_mm": [2.0, 1.0, 1.0], "nodules": []}
    (tmp_path / "view/volume.json").write_text(json.dumps(box))
    (tmp_path / "out/result.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("plane", "number", "expected"),
    [
        ("axial", 1, [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]),
        ("coronal", 2, [[20, 21, 22, 23], [8, 9, 10, 11]]),
        ("sagittal", 3, [[15, 19, 23], [3, 7, 11]]),
    ],
)
def test_slice_has_the_head_up(folder: Path, plane: str, number: int, expected: list[list[int]]) -> None:
    found = np.frombuffer(read_slice(folder, plane, number), "<i2")
    assert found.reshape(np.shape(expected)).tolist() == expected


@pytest.mark.parametrize(("plane", "number"), [("axial", 2), ("axial", -1), ("sagittal", 4), ("oblique", 0)])
def test_slice_that_is_not_there_is_none(folder: Path, plane: str, number: int) -> None:
    assert read_slice(folder, plane, number) is None


def test_view_tells_the_box(folder: Path) -> None:
    view = read_view(folder)
    assert (view.size_zyx_vox, view.spacing_zyx_mm, view.nodules) == ((2, 3, 4), (2.0, 1.0, 1.0), ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("view/volume.i16", "short"),
        ("view/volume.json", "{}"),
        ("view/volume.json", '{"size_zyx_vox": [24], "spacing_zyx_mm": [1], "nodules": []}'),
        ("out/result.json", "{half"),
        ("out/result.json", '{"probability": NaN}'),
    ],
)
def test_half_a_result_is_none(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=r"^The search left no whole result\.$"):
        read_view(folder)


def test_results_are_those_that_are_there(folder: Path) -> None:
    (folder / "out/nodules.csv").write_text("")
    (folder / "out/secret.txt").write_text("")
    assert list_files(folder) == ["result.json", "nodules.csv"]
