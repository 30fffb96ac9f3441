import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from fl_core.disk import look_at_disk
from fl_core.findings import Level


@pytest.mark.parametrize(
    ("free_gb", "level"),
    [(0.5, Level.FAULT), (2, Level.WARNING), (50, Level.OK)],
    ids=["none", "little", "much"],
)
def test_disk_that_is_nearly_full_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free_gb * 1e9))
    finding = look_at_disk(tmp_path / "not" / "there" / "yet", needed_gb=1, wished_gb=5)
    assert finding.level is level
    assert str(tmp_path) in finding.text


def test_disk_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = look_at_disk(Path("/proc"), needed_gb=1, wished_gb=5)  # as root, no other folder refuses
    assert finding.level is Level.FAULT
    assert finding.text.startswith("/proc cannot be written to:")
