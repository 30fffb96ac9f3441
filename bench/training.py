"""How fast a site trains, beside a bare PyTorch loop on tensors that lie in memory ready to use.

Both take the same model, optimizer, loss and number of patches; the bare loop neither loads, scales nor
changes patches, and looks at no loss. They take turns, so that both meet the same machine, and begin each
turn with the same weights, as a model that knows the noise by heart computes faster. Of each loop the faster
quarter of its turns counts. A GPU, if there is one, computes in bf16, and its memory and load are shown too.
Run: OMP_NUM_THREADS=1 python -m bench.training
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from luna16.annotations import Candidate
from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.dataset import PatchSet, read_batch
from luna16.model import build_model, select_device, select_precision
from luna16.training import balance_classes, balanced_loss, train_locally

DATA = DataConfig()
NUM_PATCHES = 1024
SHARE_OF_NODULES = 0.25
PATCHES_A_BATCH = {"cpu": 16, "cuda": 256}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="resnet_slim", help="names, separated by commas")
    parser.add_argument("--steps", type=int, default=10, help="in one turn")
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = select_device(options.device)
    table = Table("model", "ours", "bare loop", "ratio", "memory", "GPU busy")
    with tempfile.TemporaryDirectory() as folder:
        patch_set = make_patch_set(Path(folder))
        for name in options.models.split(","):
            table.add_row(*measure(name, patch_set, device, options.steps, options.turns))
    table.title = (
        f"Patches a second on {describe(device)}, {options.steps} steps a turn, {options.turns} turns"
    )
    Console().print(table)


def make_patch_set(folder: Path) -> PatchSet:
    """Map patches of noise from a file, as a site maps its own."""
    random = np.random.default_rng(0)
    noise_hu = random.integers(-1000, 400, (NUM_PATCHES, *[DATA.patch_size_vox] * 3), np.int16)
    noise_hu.tofile(folder / "patches.int16")
    labels = np.arange(NUM_PATCHES) < SHARE_OF_NODULES * NUM_PATCHES
    return PatchSet(
        patches_hu=np.memmap(folder / "patches.int16", np.int16, mode="r", shape=noise_hu.shape),
        candidates=tuple(Candidate("2.25.1", (0.0, 0.0, 0.0), bool(label)) for label in labels),
        series_uids=("2.25.1",),
        nodules=(),
        excluded=(),
    )


def measure(name: str, patch_set: PatchSet, device: torch.device, steps: int, turns: int) -> list[str]:
    """Let both loops take turns, and give the cells of a line."""
    config = TrainingConfig(
        steps=steps, batch_size=PATCHES_A_BATCH[device.type], amp="auto" if device.type == "cuda" else "off"
    )
    model = build_model(ModelConfig(name=name)).to(device)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = read_all(patch_set, config, device)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    busy = []
    for turn in range(turns):
        loops = {
            "ours": partial(train_locally, model, patch_set, DATA, config, round_no=turn, device=device),
            "bare": partial(train_barely, model, batches, config, device),
        }
        for loop, train in loops.items():
            model.load_state_dict(first)
            seconds[loop].append(time_of(train, device))
            busy += [torch.cuda.utilization(device)] if device.type == "cuda" and loop == "ours" else []
    ours_s, bare_s = (mean(sorted(of_turns)[: -(-turns // 4)]) for of_turns in seconds.values())
    num_patches = steps * config.batch_size
    return [
        name,
        f"{num_patches / ours_s:.0f}",
        f"{num_patches / bare_s:.0f}",
        f"{bare_s / ours_s:.3f}",
        f"{torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB" if busy else "-",
        f"{median(busy):.0f} %" if busy else "-",
    ]


def read_all(
    patch_set: PatchSet, config: TrainingConfig, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """Give every batch as tensors on the device, in [0, 1]."""
    rows = np.random.default_rng(0).permutation(NUM_PATCHES)
    starts = range(0, NUM_PATCHES, config.batch_size)
    return [read_batch(patch_set, rows[i : i + config.batch_size], DATA, device) for i in starts]


def train_barely(
    model: torch.nn.Module, batches: list[tuple[Tensor, Tensor]], config: TrainingConfig, device: torch.device
) -> None:
    """Train for as many steps as ours takes, and do nothing else."""
    weights = balance_classes(torch.cat([labels for _, labels in batches]).bool().cpu().numpy()).to(device)
    precision = select_precision(config.amp, device)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    for step in range(config.steps):
        patches, labels = batches[step % len(batches)]
        with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
            logits = model(patches)[:, 0]
        optimizer.zero_grad()
        balanced_loss(logits.float(), labels, weights).backward()
        optimizer.step()


def time_of(work: Callable[[], object], device: torch.device) -> float:
    """Give the seconds that ``work`` takes, until the GPU is done too."""
    started_s = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_s


def describe(device: torch.device) -> str:
    """Say what computes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} thread(s) of the CPU"


if __name__ == "__main__":
    main()
