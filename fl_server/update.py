"""A site's update that was found sound, as the coordinator holds it until the round is averaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from numpy.lib.format import read_array_header_1_0, read_magic

from fl_core import messages
from fl_core.messages import Weights
from fl_core.replies import TrainReply


@dataclass(frozen=True, eq=False)
class Update:
    """The message in the form that Flower's strategies average, and what is known of it.

    The weights are in the message alone: thirty models of 130 MB take 4 GB.
    """

    message: Message
    num_examples: int
    loss: float
    norm: float

    @classmethod
    def take(cls, message: Message, reply: TrainReply, norm: float) -> "Update":
        """Put the message of ``reply`` into that form: the same records and keys from every site."""
        message.content = RecordDict(
            {
                messages.ARRAYS: as_arrays(reply.weights),
                messages.METRICS: MetricRecord({messages.NUM_EXAMPLES: reply.num_examples}),
            }
        )
        return cls(message, reply.num_examples, reply.loss, norm)

    @property
    def weights(self) -> Weights:
        """The weights, which cannot be changed."""
        return as_numpy(self.message.content.array_records[messages.ARRAYS])


def average_losses(updates: Mapping[str, Update]) -> float:
    """Return the mean training loss, each site's weighed by its examples."""
    num_examples = sum(update.num_examples for update in updates.values())
    return sum(update.loss * update.num_examples for update in updates.values()) / num_examples


def as_arrays(weights: Weights) -> ArrayRecord:
    """Return weights as FedAvg has them, one array a tensor."""
    return ArrayRecord({name: Array(tensor) for name, tensor in weights.items()})


def as_numpy(arrays: ArrayRecord) -> dict[str, npt.NDArray[Any]]:
    """Return weights by the name of the tensor, as views of what the record holds: they are not copied."""
    return {name: _view(array) for name, array in arrays.items()}


def _view(array: Array) -> npt.NDArray[Any]:
    """Return an array that Flower keeps in the format of ``np.save``."""
    content = BytesIO(array.data)
    read_magic(content)
    shape, is_fortran, dtype = read_array_header_1_0(content)
    values = np.frombuffer(array.data, dtype, offset=content.tell())
    return values.reshape(shape, order="F" if is_fortran else "C")
