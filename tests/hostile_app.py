"""What a hostile coordinator might send: wherever this file is so much as imported, it leaves a mark.

It is never imported here. Its bundle (``hostile_bundle.py``) names it as ServerApp, as ClientApp and as what
builds the package; its ServerApp asks every site for what it can think of, and writes down what it is told.
"""

import io
import os
import pickle
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from fl_core.config import TaskSettings
from fl_core.messages import pack_settings, tell_num_sites

HOME = Path(os.environ["FEDLUNA_HOME"])
MARK = HOME / "hostile-code-ran"
MARK.touch()

app = ServerApp()
client = ClientApp()


class Payload:
    """An object that leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch $FEDLUNA_HOME/hostile-pickle-ran",)


def make_pickled_weights() -> ArrayRecord:
    file = io.BytesIO()
    np.save(file, np.array([Payload()], dtype=object))
    pickled = Array(dtype="object", shape=(1,), stype="numpy.ndarray", data=file.getvalue())
    return ArrayRecord({"safetensors": pickled})


def make_content() -> RecordDict:
    """Return what passes for a task, with a pickle in the place of the model."""
    config = pack_settings(TaskSettings(), "hostile")
    tell_num_sites(config, 9)
    config["server-round"] = 1
    config["code"] = pickle.dumps(Payload())
    return RecordDict({"config": config, "arrays": make_pickled_weights()})


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Wait for a site, send it each kind of message, and tell in a file what it answers."""
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.05)
    kinds = ("train", "evaluate", "query.hostile_app")
    open_ids = set(grid.push_messages([Message(make_content(), nodes[0], kind) for kind in kinds]))
    answers: list[Message] = []
    while open_ids:
        answers += (new := list(grid.pull_messages(open_ids)))
        open_ids -= {answer.metadata.reply_to_message_id for answer in new}
        time.sleep(0.05)
    told = [answer.error.reason if answer.has_error() else "It obeyed." for answer in answers]
    (HOME / "hostile-answers.txt").write_text("\n".join(told))
