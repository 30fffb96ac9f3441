"""``luna16 verify`` as an engineer meets it: the table, the files, exit codes, Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from luna16.cli import main
from luna16.scan import find_scans

COMMAND = [sys.executable, "-c", "from luna16.cli import main; main()", "verify"]


@pytest.fixture
def root(tmp_path: Path, scans: Path) -> Path:
    return shutil.copytree(scans, tmp_path / "data")


def run(*arguments: str | Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["luna16", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def break_scan(root: Path) -> str:
    series_uid = find_scans(root)[1].series_uid
    os.truncate(root / "subset0" / f"{series_uid}.raw", 100)
    return series_uid


def test_sound_data_set_is_exit_code_0(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(root) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("Checked 3 scans and ")
    assert captured.out.endswith("All is sound.\n")


def test_fault_is_a_row_with_number_place_and_advice_and_exit_code_1(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    series_uid = break_scan(root)
    assert run(root, "--jobs", "1") == 1
    text = " ".join(capfd.readouterr().out.split())
    assert "voxels do not fit the header 1 subset0, scan 2 of 3" in text
    assert "100 bytes of voxels, expected 7077888 by its header." in text
    assert "Copy both files again from their source." in text
    assert "2 scans are sound; set aside: 1." in text
    assert series_uid not in text


def test_table_fits_80_columns(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    break_scan(root)
    (root / "annotations.csv").unlink()
    run(root)
    assert max(map(len, capfd.readouterr().out.splitlines())) <= 80


def test_json_holds_all_with_uids(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    series_uid = break_scan(root)
    assert run(root, "--json") == 1
    found = json.loads(capfd.readouterr().out)
    assert found["set_aside"] == [series_uid]
    (fault,) = found["faults"]
    assert (fault["kind"], fault["series_uid"]) == ("voxel_length", series_uid)
    assert [scan["lowest_hu"] is None for scan in found["scans"]] == [False, True, False]


def test_report_goes_where_the_user_says(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    series_uid = break_scan(root)
    assert run(root, "--report", tmp_path / "report.json") == 1
    assert json.loads((tmp_path / "report.json").read_text())["set_aside"] == [series_uid]
    assert "set aside: 1" in capfd.readouterr().out


@pytest.mark.parametrize("place", ["data/report.json", "data/annotations.csv", "nowhere/report.json", "."])
def test_report_in_the_data_or_nowhere_is_refused_before_any_work(
    root: Path, tmp_path: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (root / "annotations.csv").read_bytes()
    assert run(root, "--report", tmp_path / place) == 2
    assert "--report" in capfd.readouterr().err
    assert (root / "annotations.csv").read_bytes() == before
    assert not (root / "report.json").exists()


@pytest.mark.parametrize(
    ("folder", "words"),
    [("nowhere", "No data folder"), ("empty", "holds no subset folder")],
)
def test_folder_without_data_is_exit_code_2(
    tmp_path: Path, folder: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / folder) == 2
    error = capfd.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_ctrl_c_ends_it_and_its_processes_at_once(root: Path) -> None:
    voxels = root / "subset0" / f"{find_scans(root)[0].series_uid}.raw"
    with voxels.open("r+b") as file:
        file.truncate(1 << 40)  # sparse, with a header to match: it would take an hour
    header = voxels.with_suffix(".mhd")
    header.write_text(re.sub("DimSize = .*", f"DimSize = 1024 1024 {1 << 19}", header.read_text()))
    process = subprocess.Popen(
        [*COMMAND, str(root), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(children := psutil.Process(process.pid).children()) < 3:  # two workers and Python's tracker
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, error = process.communicate(timeout=10)
    assert (process.returncode, output, error) == (130, b"", b"")
    deadline = time.monotonic() + 5
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, children))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
