"""The least federation in stock Flower, FedAvg over sites that do no work: see round_overhead.py."""

import itertools
import json
import os
import time
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from luna16.config import ModelConfig
from luna16.model import build_model

server = ServerApp()
client = ClientApp()


@server.main()
def run(grid: Grid, _context: Context) -> None:
    """Run the rounds and write how long each took."""
    num_sites = int(os.environ["STOCK_SITES"])
    ends = [time.perf_counter()]

    def note_time(_round_no: int, _arrays: ArrayRecord) -> MetricRecord:
        ends.append(time.perf_counter())
        return MetricRecord()

    FedAvg(min_train_nodes=num_sites, min_evaluate_nodes=num_sites, min_available_nodes=num_sites).start(
        grid=grid,
        initial_arrays=ArrayRecord(build_model(ModelConfig()).state_dict()),
        num_rounds=int(os.environ["STOCK_ROUNDS"]),
        train_config=ConfigRecord(),
        evaluate_fn=note_time,
    )
    started = ends[1:]  # the first note is taken before round 1
    seconds = [later - earlier for earlier, later in itertools.pairwise(started)]
    Path(os.environ["STOCK_TIMES"]).write_text(json.dumps(seconds))


@client.train()
def train(message: Message, _context: Context) -> Message:
    """Send the model back as it came."""
    arrays = message.content.array_records["arrays"]
    metrics = MetricRecord({"num-examples": 1, "loss": 0.0})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@client.evaluate()
def evaluate(message: Message, _context: Context) -> Message:
    """Send a score."""
    metrics = MetricRecord({"num-examples": 1, "auc": 0.5})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
