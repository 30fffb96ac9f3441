"""``luna16 card`` as a user meets it."""

import json
import sys
from pathlib import Path

import pytest

from luna16.cli import main
from tests.small_data_set import write_small_data_set


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["luna16", "card", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    return write_small_data_set(tmp_path / "data")


def test_tables_show_what_is_told_and_what_is_not(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(data)) == 0
    out = capfd.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["scans", "9"] in lines
    assert ["scans", "with", "nodules", "withheld"] in lines
    assert ["1", "to", "1.25", "mm", "9", "100", "%", "█" * 24] in lines
    assert "Not told, as not known or of too few scans: nodule diameter, HU, scanner vendor." in out
    assert "2.25." not in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_is_what_the_coordinator_stores(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(data), "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["num_scans"], told["num_scans_with_nodules"], told["num_nodules"]) == (9, None, 9)
    assert told["histograms"]["pixel_spacing_mm"]["bins"][-1] == "from 0.9 mm"
    assert told["histograms"]["pixel_spacing_mm"]["counts"] == [0, 0, 0, 0, 0, 9]


def test_patches_are_left_only_where_they_are_asked_for(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert run(monkeypatch, str(data)) == 0
    assert run(monkeypatch, str(data), "--patches", str(tmp_path / "patches")) == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(list((tmp_path / "patches").glob("patches-*/index.json"))) == 1


def test_patches_inside_the_data_folder_are_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(data), "--patches", str(data / "patches")) == 2
    assert "lies in the data folder, which is not changed" in capfd.readouterr().err


def test_folder_without_scans_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(tmp_path)) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_scan_that_is_set_aside_is_told_with_exit_code_1(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (data / "subset2" / "2.25.20000.raw").unlink()
    assert run(monkeypatch, str(data)) == 1
    captured = capfd.readouterr()
    assert "Set aside: subset2, scan 1 of 3 in name order: its .raw file is missing." in captured.err
    assert ["scans", "8"] in [line.split() for line in captured.out.splitlines()]
