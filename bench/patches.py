"""How fast patches are cut, beside reading and interpolating alone, and what loading costs in training.

One core cuts patches of 32 voxels a side from scans of the size of LUNA16's, made from the phantom: 288 x 576
x 576 voxels, 191 MB, in processor seconds. Then one epoch on the phantom itself, by the clock.
Run: OMP_NUM_THREADS=1 python bench/patches.py
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch
from rich.console import Console
from rich.table import Table

from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.dataset import load_shard, read_batch, sample_epoch
from luna16.geometry import AXIAL_DIRECTION, Vector3
from luna16.model import build_model
from luna16.patch_plan import plan_patches
from luna16.patches import extract_patch, resample
from luna16.phantom import ScanRows, ScanTask, write_image, write_phantom, write_scan, write_tables
from luna16.phantom_scanner import Scanner, scanner_of_site
from luna16.prepare import prepare_patches
from luna16.scan import Scan, find_scans, load_scan, make_image
from luna16.training import train_locally

CONFIG = DataConfig()
CPU = torch.device("cpu")
ENLARGED = 3
NOISE_HU = 15
PATCHES_A_SCAN = (200, 850)  # as kept of a training and of a validation scan of LUNA16
NUM_SCANS = 2
RAW, ZRAW = scanner_of_site(0), scanner_of_site(1)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = make_large_scan(folder)
        Console().print(measure_ways(scan, repeats), measure_cutting(scan, folder, repeats))
        Console().print(measure_epoch(folder, repeats))


def make_large_scan(folder: Path) -> Scan:
    """Give a phantom scan, enlarged to the size of a LUNA16 scan, with noise that compresses as badly."""
    (folder / "small" / "subset0").mkdir(parents=True)
    write_scan(folder / "small", ScanTask(seed=0, site_no=0, scan_no=0))
    small = load_scan(find_scans(folder / "small")[0])
    voxels_hu = small.voxels_hu
    for axis in range(3):
        voxels_hu = voxels_hu.repeat(ENLARGED, axis)
    noise_hu = np.random.default_rng(0).normal(0, NOISE_HU, voxels_hu.shape).astype(np.int16)
    geometry = replace(
        small.geometry,
        spacing_xyz_mm=(0.7, 0.7, 1.25),
        size_zyx_vox=voxels_hu.shape,
        direction=AXIAL_DIRECTION,
    )
    return Scan("2.25.1", voxels_hu + noise_hu, geometry)


def measure_ways(scan: Scan, repeats: int) -> Table:
    """Compare the three ways to cut, and say from how many patches a full resample would pay."""
    centers = draw_centers(scan, 200)
    ours_s = time_of(lambda: [extract_patch(scan, center, CONFIG) for center in centers], repeats) / 200
    sitk_s = time_of(lambda: [resample(scan, center, CONFIG) for center in centers], repeats) / 200
    full_s = time_of(lambda: resample_fully(scan), repeats)
    table = Table("way", "ms a patch", "ms a scan", "resampling all pays from", title="Cutting alone")
    table.add_row("axis by axis (ours)", f"{ours_s * 1e3:.2f}", "", f"{full_s / ours_s:.0f} patches")
    table.add_row("SimpleITK, each patch", f"{sitk_s * 1e3:.2f}", "", f"{full_s / sitk_s:.0f} patches")
    table.add_row("SimpleITK, whole scan to 1 mm", "", f"{full_s * 1e3:.0f}", "")
    return table


def resample_fully(scan: Scan) -> None:
    """Clip a scan and resample all of it to voxels of 1 mm with one thread."""
    image = make_image(scan.voxels_hu.clip(CONFIG.hu_min, CONFIG.hu_max), scan.geometry)
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)
    sides_mm = np.multiply(image.GetSize(), image.GetSpacing())
    resampler.SetSize([int(side) for side in np.ceil(sides_mm / CONFIG.patch_spacing_mm)])
    resampler.SetOutputSpacing([CONFIG.patch_spacing_mm] * 3)
    resampler.SetOutputOrigin(image.GetOrigin())
    sitk.GetArrayFromImage(resampler.Execute(image))


def measure_cutting(scan: Scan, folder: Path, repeats: int) -> Table:
    """Compare ``prepare_patches`` with its limit: reading and cutting; it also plans, writes and sums up."""
    table = Table("voxels", "patches a scan", "read s", "cut s", "limit/s", "prepare/s", "share of limit")
    table.title = "Patches a second on one core"
    for scanner, suffix in ((RAW, ".raw"), (ZRAW, ".zraw")):
        for num_patches in PATCHES_A_SCAN:
            root = folder / f"{suffix[1:]}-{num_patches}"
            centers = write_data_set(root, scan, num_patches, replace(scanner, is_flipped=False))
            files = find_scans(root)
            read_s = time_of(lambda files=files: [load_scan(file) for file in files], repeats) / len(files)
            cut_s = time_of(lambda c=centers: [extract_patch(scan, center, CONFIG) for center in c], repeats)
            prepare_s = median(time_preparing(root, folder / "cache") for _ in range(repeats)) / len(files)
            limit, found = num_patches / (read_s + cut_s), num_patches / prepare_s
            numbers = (
                f"{read_s:.2f}",
                f"{cut_s:.2f}",
                f"{limit:.0f}",
                f"{found:.0f}",
                f"{found / limit:.2f}",
            )
            table.add_row(suffix, str(num_patches), *numbers)
    return table


def write_data_set(root: Path, scan: Scan, num_patches: int, scanner: Scanner) -> list[Vector3]:
    """Write the scan NUM_SCANS times, with candidates at random places, and give those of one scan."""
    centers = draw_centers(scan, num_patches)
    (root / "subset0").mkdir(parents=True)
    tables = []
    for number in range(NUM_SCANS):
        uid = f"2.25.{number}"
        write_image(root / "subset0" / f"{uid}.mhd", scan.voxels_hu, scan.geometry, scanner)
        tables.append(
            ScanRows(uid, [], [], [(uid, *center, int(i == 0)) for i, center in enumerate(centers)])
        )
    write_tables(root, tables)
    return centers


def time_preparing(root: Path, cache: Path) -> float:
    """Return the seconds to prepare a data set from nothing with one process."""
    config = CONFIG.model_copy(update={"max_negatives_per_scan": max(PATCHES_A_SCAN)})
    started_s = time.process_time()
    prepared = prepare_patches(plan_patches(root, config), cache, num_jobs=1)
    seconds = time.process_time() - started_s
    for path in prepared.folder.iterdir():
        path.unlink()
    return seconds


def measure_epoch(folder: Path, repeats: int) -> Table:
    """Measure reading all batches of an epoch, from memory and from disk, beside training on them."""
    write_phantom(folder / "phantom", num_sites=1, scans_per_site=9, seed=0)
    train = load_shard(folder / "phantom", folder / "patches", CONFIG).train
    config = TrainingConfig(epochs=1)
    rows = sample_epoch(train, config.negatives_per_positive, np.random.default_rng(0))
    batches = [rows[i : i + config.batch_size] for i in range(0, len(rows), config.batch_size)]

    def load() -> None:
        for batch in batches:
            read_batch(train, batch, CONFIG, CPU)

    warm_s = time_of(load, repeats, time.perf_counter)
    cold_s = median(time_cold(load, folder / "patches") for _ in range(repeats))
    epoch_s = train_locally(build_model(ModelConfig()), train, CONFIG, config, round_no=1, device=CPU).seconds
    table = Table(
        "loading", "ms", "share of the epoch", title=f"An epoch of {len(rows)} patches, {epoch_s:.1f} s"
    )
    for name, seconds in (("from memory", warm_s), ("from disk", cold_s)):
        table.add_row(name, f"{seconds * 1e3:.1f}", f"{seconds / epoch_s:.2%}")
    return table


def time_cold(load: Callable[[], None], cache: Path) -> float:
    """Return the seconds of ``load`` after the system has forgotten the patches."""
    for path in cache.glob("patches-*/patches.int16"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return time_of(load, 1, time.perf_counter)


def time_of(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time
) -> float:
    """Return the median of the seconds that ``work`` takes: of this process, or by another clock."""
    seconds = []
    for _ in range(repeats):
        started_s = clock()
        work()
        seconds.append(clock() - started_s)
    return median(seconds)


def draw_centers(scan: Scan, number: int) -> list[Vector3]:
    """Draw places in the scan, its border included."""
    random = np.random.default_rng(0)
    places = random.uniform(0, np.array(scan.geometry.size_zyx_vox) - 1, size=(number, 3))
    return [scan.geometry.voxel_to_world((z, y, x)) for z, y, x in places.tolist()]


if __name__ == "__main__":
    main()
