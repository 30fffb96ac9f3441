import shutil
from pathlib import Path

import pytest

from luna16.quick_check import glance_at
from luna16.scan import find_scans


@pytest.fixture
def root(scans: Path, tmp_path: Path) -> Path:
    """A copy of a small data set that a test may damage."""
    return Path(shutil.copytree(scans, tmp_path / "copy"))


def first_header(root: Path) -> Path:
    return find_scans(root)[0].path


def test_sound_folder_is_counted(root: Path) -> None:
    found = glance_at(root)
    assert found.num_scans == len(find_scans(root))
    assert 0 < found.num_scans_with_nodules <= found.num_scans
    assert found.num_candidates > 0
    assert found.faults == ()


def test_faulty_header_is_named_by_its_place(root: Path) -> None:
    header = first_header(root)
    header.write_text(header.read_text().replace("MET_SHORT", "MET_FLOAT"))
    (fault,) = glance_at(root).faults
    assert fault.startswith("subset0, scan 1 of ")
    assert "expected MET_SHORT" in fault
    assert header.stem not in fault


def test_missing_voxels_are_told(root: Path) -> None:
    header = first_header(root)
    for path in header.parent.glob(f"{header.stem}.*raw"):
        path.unlink()
    (fault,) = glance_at(root).faults
    assert fault.endswith("file is missing.")


def test_voxels_that_are_cut_short_are_told(root: Path) -> None:
    raw = next(path for path in sorted(root.glob("subset*/*.raw")))
    size = raw.stat().st_size
    with raw.open("ab") as voxels:
        voxels.truncate(size - 2)
    (fault,) = glance_at(root).faults
    assert f"holds {size - 2} bytes, expected {size}." in fault


def test_table_that_is_missing_is_an_error(root: Path) -> None:
    (root / "candidates_V2.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"candidates_V2\.csv"):
        glance_at(root)
