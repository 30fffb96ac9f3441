"""Patches are cut once and alike in every way; a kill, a bad scan or a full disk costs only what it must."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from luna16 import prepare as prepare_module
from luna16.array_file import ArrayFile, Checksums, DamagedRowsError, Int16Array
from luna16.cli import main
from luna16.config import DataConfig
from luna16.dataset import load_shard
from luna16.patch_plan import plan_patches
from luna16.patches import extract_patch
from luna16.phantom import ScanTask, write_scan, write_tables
from luna16.prepare import PreparedPatches, choose_num_jobs, prepare_patches
from luna16.scan import load_scan

CONFIG = DataConfig(patch_size_vox=8)
BIG = DataConfig(patch_size_vox=64)


@pytest.fixture
def root(scans: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(scans, tmp_path / "data"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def prepare(root: Path, cache: Path, *, num_jobs: int = 1) -> PreparedPatches:
    return prepare_patches(plan_patches(root, CONFIG), cache, num_jobs=num_jobs)


def read_array(cache: Path) -> bytes:
    (path,) = cache.glob("patches-*/patches.int16")
    return path.read_bytes()


def test_each_row_shows_its_own_candidate(scans: Path, cache: Path) -> None:
    plan = plan_patches(scans, CONFIG)
    rows = iter(prepare_patches(plan, cache).patches_hu)
    for cut in plan.cuts.values():
        scan = load_scan(cut.file)
        for candidate in cut.candidates:
            np.testing.assert_array_equal(next(rows), extract_patch(scan, candidate.center_xyz_mm, CONFIG))


@pytest.mark.slow
def test_patches_are_the_same_by_one_process_or_several(scans: Path, tmp_path: Path) -> None:
    for num_jobs in (1, 3):
        prepare(scans, tmp_path / str(num_jobs), num_jobs=num_jobs)
    assert read_array(tmp_path / "1") == read_array(tmp_path / "3")


def test_second_time_nothing_is_done(scans: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(scans, cache)
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    monkeypatch.setattr("luna16.patch_plan.read_candidates", None)  # not even the table is read
    second = prepare(scans, cache)
    assert (first.was_ready, second.was_ready) == (False, True)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")} == times
    assert second.entries == first.entries
    np.testing.assert_array_equal(second.patches_hu, first.patches_hu)


def test_changed_table_is_followed(root: Path, cache: Path) -> None:
    num_before = len(prepare(root, cache).patches_hu)
    table = root / "candidates_V2.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    after = prepare(root, cache)
    assert (after.was_ready, len(after.patches_hu)) == (False, num_before - 1)


def test_changed_scan_is_followed(root: Path, cache: Path) -> None:
    before = prepare(root, cache).patches_hu[:]
    path = next((root / "subset0").glob("*.raw"))
    path.write_bytes(b"\x01\x00" + bytes(path.stat().st_size - 2))
    assert (prepare(root, cache).patches_hu[:] != before).any()


def stop_after(num_scans: int):
    def on_progress(num_done: int, _: int) -> None:
        if num_done == num_scans:
            raise KeyboardInterrupt

    return on_progress


def test_build_that_was_stopped_goes_on_where_it_ended(
    scans: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_patches(scans, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        prepare_patches(plan, cache, on_progress=stop_after(2))
    read: list[str] = []
    monkeypatch.setattr("luna16.patches.load_scan", lambda file: read.append(file.place) or load_scan(file))
    prepare_patches(plan, cache)
    assert read == [list(plan.cuts.values())[2].file.place]
    prepare(scans, tmp_path / "fresh")
    assert read_array(cache) == read_array(tmp_path / "fresh")


def test_part_that_never_reached_the_disk_is_cut_again(scans: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare_patches(plan_patches(scans, CONFIG), cache, on_progress=stop_after(2))
    (path,) = cache.glob("patches-*/patches.int16")
    path.write_bytes(bytes(path.stat().st_size))  # as after a power cut
    prepare(scans, cache)
    prepare(scans, tmp_path / "fresh")
    assert read_array(cache) == read_array(tmp_path / "fresh")


def change_last_patch(cache: Path) -> None:
    (path,) = cache.glob("patches-*/patches.int16")
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"rot")


def test_patches_that_have_rotted_are_cut_anew_and_no_others(
    scans: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = load_shard(scans, cache, CONFIG)
    assert shard.mend
    before = shard.train.patches_hu[np.arange(9)], shard.validation.patches_hu[np.arange(9)]
    change_last_patch(cache)
    with pytest.raises(DamagedRowsError, match="are not as they were written"):
        shard.validation.patches_hu[np.arange(len(shard.validation.candidates))]
    read: list[str] = []
    monkeypatch.setattr("luna16.patches.load_scan", lambda file: read.append(file.place) or load_scan(file))
    mended = shard.mend()
    assert (len(read), mended.set_aside) == (1, ())
    np.testing.assert_array_equal(mended.train.patches_hu[np.arange(9)], before[0])
    np.testing.assert_array_equal(mended.validation.patches_hu[np.arange(9)], before[1])


def test_scan_that_is_gone_when_its_patches_have_rotted_is_set_aside(root: Path, cache: Path) -> None:
    shard = load_shard(root, cache, DataConfig(patch_size_vox=8, validation_fraction=0.6))
    assert shard.mend
    change_last_patch(cache)
    (root / "subset0" / f"{shard.validation.series_uids[-1]}.raw").unlink()
    mended = shard.mend()
    assert mended.validation.series_uids == shard.validation.series_uids[:-1]
    assert mended.train.series_uids == shard.train.series_uids
    (reason,) = mended.set_aside
    assert reason.endswith("its .raw file is missing.")


def damage(root: Path, place: int = 0) -> str:
    path = sorted((root / "subset0").glob("*.raw"))[place]
    os.truncate(path, 1000)
    return path.stem


def test_bad_scan_is_named_by_its_place_and_set_aside(
    root: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uid = damage(root, place=1)
    prepared = prepare(root, cache)
    reason = "subset0, scan 2 of 3 in name order: its .raw file holds 1000 bytes, expected 7077888."
    assert prepared.set_aside == {uid: reason}
    prepare(root, cache)  # it is told again when there is nothing to do
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"{reason} It is set aside."] * 2
    assert len(prepared.patches_hu) == sum(e.num_rows for e in prepared.entries if not e.set_aside) > 0


def test_patches_of_the_other_scans_are_the_same_beside_a_bad_one(root: Path, cache: Path) -> None:
    whole = load_shard(root, cache / "whole", CONFIG)
    damage(root)
    rest = load_shard(root, cache / "rest", CONFIG)
    assert rest.train.num_scans + rest.validation.num_scans == 2
    shown = dict(zip(whole.train.candidates, whole.train.patches_hu, strict=True))
    shown |= dict(zip(whole.validation.candidates, whole.validation.patches_hu, strict=True))
    for side in (rest.train, rest.validation):
        for candidate, patch_hu in zip(side.candidates, side.patches_hu, strict=True):
            np.testing.assert_array_equal(patch_hu, shown[candidate])


def test_full_disk_ends_it_in_one_line_and_it_goes_on_later(
    scans: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_to_a_full_disk(array: ArrayFile, first_row: int, rows: Int16Array) -> Checksums:
        return write_rows(ArrayFile(Path("/dev/full"), array.shape) if first_row else array, first_row, rows)

    write_rows = ArrayFile.write_rows
    monkeypatch.setattr(ArrayFile, "write_rows", write_to_a_full_disk)
    with pytest.raises(OSError, match=r"No space left on device\. Make room and"):
        prepare(scans, cache)
    monkeypatch.undo()
    assert list(cache.glob("patches-*/index.json")) == []
    assert len(prepare(scans, cache).patches_hu) > 0


def test_scan_whose_process_was_killed_is_cut_at_the_next_start(
    scans: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_first(work, tasks, num_jobs):
        yield tasks[0], None
        yield from ((task, work(task)) for task in tasks[1:])

    monkeypatch.setattr(prepare_module, "run_each", lose_the_first)
    with pytest.raises(ChildProcessError, match=r"^subset0, scan . of 3 .* killed"):
        prepare(scans, cache, num_jobs=2)
    prepared = prepare(scans, cache)
    assert (prepared.was_ready, prepared.set_aside) == (False, {})


def test_little_data_is_not_worth_a_process(scans: Path) -> None:
    assert choose_num_jobs(plan_patches(scans, CONFIG)) == 1


def test_size_and_what_is_left_out_are_told_beforehand(
    scans: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    plan = plan_patches(scans, DataConfig(patch_size_vox=8, max_negatives_per_scan=1))
    prepare_patches(plan, cache)
    assert caplog.messages[0].startswith(f"{plan.num_patches} patches of 3 scans, ")
    assert caplog.messages[1].startswith(f"Left out are {plan.num_left_out} candidates of training scans")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["luna16", "prepare", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_command_says_what_it_did(
    scans: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, scans, cache) == 0
    first = capsys.readouterr()
    assert run(monkeypatch, scans, cache) == 0
    second = capsys.readouterr()
    assert first.out.startswith("Cut ")
    assert " of 3 scans, " in first.err
    assert (second.out[:14], second.err) == ("Nothing to do:", "")


def test_command_ends_with_1_when_a_scan_was_set_aside_and_names_no_uid(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(root)
    assert run(monkeypatch, root, cache, "--json") == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["num_scans"] == 2
    assert report["set_aside"][0].startswith("subset0, scan 1 of 3")
    assert "2.25." not in said.out + said.err


def test_command_follows_the_settings_of_a_run(
    scans: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.toml").write_text("[data]\npatch_size_vox = 8\n")
    assert run(monkeypatch, scans, cache, "--config", tmp_path / "run.toml") == 0
    prepared = prepare(scans, cache)
    assert prepared.was_ready


def test_command_writes_nothing_into_the_data_folder(
    scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, scans, scans / "patches") == 2
    assert "lies in the data folder" in capsys.readouterr().err


@pytest.mark.slow
def test_build_that_was_killed_leaves_no_process_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    root, cache = tmp_path / "data", tmp_path / "cache"
    (root / "subset0").mkdir(parents=True)
    write_tables(root, [write_scan(root, ScanTask(seed=0, site_no=0, scan_no=i)) for i in range(6)])
    (tmp_path / "run.toml").write_text("[data]\npatch_size_vox = 64\n")
    command = [sys.executable, "-c", "from luna16.cli import main; main()", "prepare", root, cache]
    process = subprocess.Popen([*command, "--jobs", "2", "--config", tmp_path / "run.toml"])
    while not count_parts(cache):
        time.sleep(0.001)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    num_before = count_parts(cache)
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert list(cache.glob("patches-*/index.json")) == []
    resumed = prepare_patches(plan_patches(root, BIG), cache, num_jobs=1)
    fresh = prepare_patches(plan_patches(root, BIG), tmp_path / "fresh", num_jobs=1)
    assert 0 < num_before < 6
    np.testing.assert_array_equal(resumed.patches_hu, fresh.patches_hu)


def count_parts(cache: Path) -> int:
    return sum(path.read_text().count("\n") for path in cache.glob("patches-*/parts.jsonl"))
