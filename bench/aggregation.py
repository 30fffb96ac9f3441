"""What one aggregation costs, screening included, beside Flower's FedAvg: seconds and peak memory.

Each case is a process of its own. Ours takes the updates one by one as they come from the network, looks at
each, averages those that are sound with FedAvg, and measures what each did; Flower's FedAvg is given the same
weights in its own form. The table shows our own steps apart: *screening* is what may leave an update out,
*drift* is what is written down of each. Seconds are the processor's, so that other programs matter less, and
of the repeats the fastest counts; memory is the most that the process held beyond what it held before.
Run: OMP_NUM_THREADS=1 python -m bench.aggregation [--sites 3,10,30] [--repeats 3]
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity
from rich.console import Console
from rich.table import Table

from fl_core import messages, replies
from fl_core.config import ScreeningConfig
from fl_core.messages import TaskId, Weights
from fl_core.replies import TrainReply
from fl_core.strategies import FedAvgSettings
from fl_server.aggregation import Aggregation
from fl_server.drift import measure_drift, measure_norm
from fl_server.screening import Expected, NormScreen, check_update
from fl_server.update import Update, as_arrays, as_numpy

WHOSE = ("ours", "flower")
HEADINGS = ("model", "sites", "ours", "screening", "share", "drift", "FedAvg", "memory", "FedAvg's")
NUM_TENSORS = 45
MODEL_MB = (3.6, 130.0)
TASK = TaskId("bench", 1)
NUM_EXAMPLES = 100
"""Of each site."""


def main() -> None:
    """Measure every case in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", default="3,10,30", help="numbers, separated by commas")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", nargs=3, metavar=("WHOSE", "MB", "SITES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        identify()
        whose, model_mb, num_sites = options.case
        measure = measure_ours if whose == "ours" else measure_flower
        print(json.dumps(measure(float(model_mb), int(num_sites), options.repeats)))
        return
    table = Table(*HEADINGS)
    for model_mb in MODEL_MB:
        for num_sites in map(int, options.sites.split(",")):
            ours, flower = (run_case(whose, model_mb, num_sites, options.repeats) for whose in WHOSE)
            table.add_row(f"{model_mb:g}", str(num_sites), *describe(ours, flower))
    table.title = "One aggregation: model and peak memory in MB, the steps in seconds"
    Console().print(table)


def run_case(whose: str, model_mb: float, num_sites: int, repeats: int) -> dict[str, float]:
    """Measure one case in a process of its own."""
    case = [sys.executable, "-m", "bench.aggregation", "--repeats", str(repeats)]
    case += ["--case", whose, str(model_mb), str(num_sites)]
    done = subprocess.run(case, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def describe(ours: dict[str, float], flower: dict[str, float]) -> list[str]:
    """Give the cells of a line."""
    return [
        f"{ours['all_s']:.3f}",
        f"{ours['screening_s']:.3f}",
        f"{ours['screening_s'] / ours['all_s']:.0%}",
        f"{ours['drift_s']:.3f}",
        f"{flower['all_s']:.3f}",
        f"{ours['peak_mb']:.0f}",
        f"{flower['peak_mb']:.0f}",
    ]


class Stopwatch:
    """Adds up the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Add what passes within to a step."""
        started_s = time.process_time()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - started_s


def measure_ours(model_mb: float, num_sites: int, repeats: int) -> dict[str, float]:
    """Aggregate as the coordinator does, from the messages as they come."""
    sent = make_model(model_mb)
    held_mb = read_peak_mb()
    runs = [aggregate(sent, num_sites) for _ in range(repeats)]
    fastest = min(runs, key=lambda seconds: seconds["all_s"])
    return {**fastest, "peak_mb": read_peak_mb() - held_mb}


def aggregate(sent: Weights, num_sites: int) -> dict[str, float]:
    """Take, look at and average one round's updates; returns the seconds of each step."""
    watch, updates = Stopwatch(), {}
    for number in range(num_sites):
        weights = change(sent, number)
        reply = TrainReply(TASK, weights, NUM_EXAMPLES, loss=0.5, train_s=1.0, began_at_s=0.0)
        message = make_message(replies.pack_train_reply(reply))
        del weights, reply
        with watch.time("all_s"):
            taken = replies.unpack_train_reply(message.content)
            with watch.time("screening_s"):
                norm = check_update(taken, Expected(TASK, sent, NUM_EXAMPLES))
            updates[str(number)] = Update.take(message, taken, norm)
        del taken, message
    with watch.time("all_s"):
        with watch.time("screening_s"):
            too_long = NormScreen(ScreeningConfig()).find_too_long({s: u.norm for s, u in updates.items()})
        if too_long:
            raise RuntimeError("An honest update was left out.")
        good = [update.message for update in updates.values()]
        made, _ = Aggregation(FedAvgSettings()).aggregate_train(1, as_arrays(sent), good)
        mean = as_numpy(made or ArrayRecord())
        with watch.time("drift_s"):
            mean_norm = measure_norm(sent, mean)
            for update in updates.values():
                measure_drift(sent, update.weights, mean, norm=update.norm, mean_norm=mean_norm)
    return watch.seconds


def measure_flower(model_mb: float, num_sites: int, repeats: int) -> dict[str, float]:
    """Aggregate as Flower does, from messages that are all there."""
    sent = make_model(model_mb)
    held_mb = read_peak_mb()
    weight = {messages.NUM_EXAMPLES: NUM_EXAMPLES}
    replies = []
    for number in range(num_sites):
        content = {
            messages.ARRAYS: as_arrays(change(sent, number)),
            messages.METRICS: MetricRecord(dict(weight)),
        }
        replies.append(make_message(RecordDict(content)))
    watch = Stopwatch()
    seconds = []
    for _ in range(repeats):
        with watch.time("all_s"):
            FedAvg().aggregate_train(1, replies)
        seconds.append(watch.seconds.pop("all_s"))
    return {"all_s": min(seconds), "peak_mb": read_peak_mb() - held_mb}


def make_model(model_mb: float) -> Weights:
    """Return tensors of equal size that are a model of so many MB together."""
    random, size = np.random.default_rng(0), int(model_mb * 1e6 / 4 / NUM_TENSORS)
    return {f"layer{i:02}": random.standard_normal(size, np.float32) for i in range(NUM_TENSORS)}


def change(sent: Weights, number: int) -> Weights:
    """Return what a site makes of the model: honest updates are about as long as each other."""
    random = np.random.default_rng(number + 1)
    moves = {name: random.standard_normal(tensor.size, np.float32) for name, tensor in sent.items()}
    return {name: tensor + np.float32(0.01) * moves[name] for name, tensor in sent.items()}


def make_message(content: RecordDict) -> Message:
    """Return what a site answers."""
    return Message(content, dst_node_id=1, message_type="train")


def identify() -> None:
    """Give this process the ids that Flower writes on every message."""
    for name in ("_task_id", "_run_id", "_node_id"):
        setattr(TaskIdentity, name, 1)


def read_peak_mb() -> float:
    """Return the most memory that this process has held so far."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
