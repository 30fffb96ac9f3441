"""A hospital that answers each round with another fault; all else is the real ``fl-client``.

Run as ``fl-client`` is: python tests/hostile_site.py --site east ...
"""

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fl_client.cli import main
from fl_core.config import home_folder
from fl_core.processes import flower_environment

if TYPE_CHECKING:
    from fl_core.replies import TrainReply


def put_fault_in(reply: "TrainReply") -> "TrainReply":
    """Return the update with the fault of its round, 1 to 5."""
    weights = reply.weights.items()
    match reply.task.round_no:
        case 1 | 2 as round_no:
            value = np.nan if round_no == 1 else np.inf
            return replace(reply, weights={name: np.full_like(tensor, value) for name, tensor in weights})
        case 3 | 4 as round_no:
            factor = np.float32(1e6 if round_no == 3 else 1e30)
            return replace(reply, weights={name: tensor * factor for name, tensor in weights})
        case _:
            return replace(reply, num_examples=0)


def become_hostile() -> None:
    """Let this process pack every update with a fault."""
    # Flower is told where it may write before it is imported, as the client does.
    os.environ.update(flower_environment(home_folder() / "sites" / "east" / "flower"))
    from fl_core import replies

    pack = replies.pack_train_reply
    replies.pack_train_reply = lambda reply: pack(put_fault_in(reply))


if __name__ == "__main__":
    become_hostile()
    sys.exit(main())
