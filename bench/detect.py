"""How long a detection takes and how much memory, stage by stage, beside reading and resampling alone.

The scan is a phantom chest of 512 x 512 pixels of 0.7 mm, slices 1 mm apart, with an untrained network of
the default size. Each measurement is a process of its own, so that its peak is only its own.
Run: python bench/detect.py [--slices 600]
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from luna16.config import DataConfig, ModelConfig
from luna16.detection.detector import SPACING_MM, detect_nodules
from luna16.detection.model_choice import load_detector
from luna16.detection.stages import Stages
from luna16.detection.upright import make_upright, resample_evenly
from luna16.geometry import AXIAL_DIRECTION, Geometry
from luna16.intake import open_ct
from luna16.model import build_model
from luna16.phantom import write_image
from luna16.phantom_anatomy import AIR_HU, draw_chest
from luna16.phantom_findings import draw_findings
from luna16.phantom_scanner import acquire, scanner_of_site
from luna16.phantom_shapes import Canvas

SIDE_VOX = 512
SPACING_ZYX_MM = (1.0, 0.7, 0.7)
MB = 1e6

Rows = list[tuple[str, float, float]]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=300)
    num_slices = parser.parse_args().slices
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_own_process(write_chest, folder, num_slices)
        alone = in_own_process(measure_reading, folder)
        whole = in_own_process(measure_detection, folder)
    table = Table("stage", "seconds", "peak so far, MB", title=f"512 x 512 x {num_slices} voxels")
    for row_name, seconds, peak_mb in [*alone, *whole]:
        table.add_row(row_name, f"{seconds:.1f}", f"{peak_mb:.0f}")
    table.add_row("detection, all stages", f"{sum(seconds for _, seconds, _ in whole):.1f}", "")
    Console().print(table)


def in_own_process(work: object, *arguments: object) -> Rows:
    """Give what ``work`` returns in a process that has done nothing before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)  # type: ignore[arg-type]


def write_chest(folder: Path, num_slices: int) -> None:
    """Write the scan and a model file."""
    random = np.random.default_rng(0)
    canvas = Canvas((num_slices, SIDE_VOX, SIDE_VOX), SPACING_ZYX_MM, AIR_HU)
    draw_findings(canvas, draw_chest(canvas, random), random)
    scanner = scanner_of_site(0)
    geometry = Geometry((-180.0, -180.0, 0.0), SPACING_ZYX_MM[::-1], AXIAL_DIRECTION, canvas.voxels_hu.shape)
    write_image(folder / "scan.mhd", acquire(canvas, scanner, random), geometry, scanner)
    save_file(build_model(ModelConfig()).state_dict(), folder / "model.safetensors")
    settings = {"data": DataConfig().model_dump(), "model": {}}
    (folder / "model.json").write_text(json.dumps({"settings": settings}))


def measure_reading(folder: Path) -> Rows:
    """Measure reading, and resampling to even voxels, with nothing else."""
    started_s = time.perf_counter()
    scan = open_ct(folder / "scan.mhd").scan
    read_s, read_mb = time.perf_counter() - started_s, peak_mb()
    resample_evenly(scan, SPACING_MM)
    resample_s = time.perf_counter() - started_s - read_s
    return [("reading alone", read_s, read_mb), ("resampling to 1 mm alone", resample_s, peak_mb())]


def measure_detection(folder: Path) -> Rows:
    """Measure each stage as ``luna16 detect`` goes through them."""
    peaks_mb: dict[str, float] = {}
    stages = Stages(lambda stage, _done, _of: peaks_mb.update({stage: peak_mb()}))
    detector = load_detector(folder / "model.safetensors")
    with stages.stage("reading"):
        upright = make_upright(open_ct(folder / "scan.mhd").scan)
    found = detect_nodules(
        upright,
        detector,
        device=torch.device("cpu"),
        on_progress=lambda stage, _done, _of: peaks_mb.update({stage: peak_mb()}),
    )
    seconds = stages.seconds | found.seconds
    return [(stage, seconds[stage], peaks_mb[stage]) for stage in seconds]


def peak_mb() -> float:
    """Return the most memory that this process has had so far (resident, in MB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


if __name__ == "__main__":
    main()
