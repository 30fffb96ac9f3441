"""The strategy that a run names: Flower's own class, which is shown and gives back models of our form."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import (
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    MultiKrum,
)

from fl_core.errors import RunFailedError
from fl_core.messages import ARRAYS, METRICS, Weights, pack_weights
from fl_core.strategies import StrategySettings
from fl_server.update import as_arrays, as_numpy

FLOWER: dict[str, type[FedAvg]] = {
    "fedavg": FedAvg,
    "fedprox": FedProx,
    "fedavgm": FedAvgM,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
    "fedmedian": FedMedian,
    "fedtrimmedavg": FedTrimmedAvg,
    "krum": Krum,
    "multikrum": MultiKrum,
}

MOMENTS = ("momentum_vector", "m_t", "v_t")
"""Attributes of FedAvgM, a list in the order of the model, and of FedAdam and FedYogi, by tensor."""


def make_flower_strategy(settings: StrategySettings) -> FedAvg:
    """Make Flower's strategy of this name; how many sites a round needs is watched over elsewhere."""
    return FLOWER[settings.name](
        min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1, **settings.parameters
    )


class Aggregation:
    """The training half of a round by ``flower``, which holds all that lasts from round to round.

    What lasts are the moments: ``momentum_vector`` of FedAvgM, ``m_t`` and ``v_t`` of FedAdam and FedYogi.
    They change in ``aggregate_train`` alone, so a round that is lost leaves them as they were.
    """

    def __init__(self, settings: StrategySettings) -> None:
        self.flower = make_flower_strategy(settings)

    @property
    def moments(self) -> dict[str, npt.NDArray[Any]]:
        """What lasts from round to round, each array by a name that says which it is."""
        found: dict[str, npt.NDArray[Any]] = {}
        for kind in MOMENTS:
            held = getattr(self.flower, kind, None) or {}
            entries = held.items() if isinstance(held, dict) else enumerate(held)
            found |= {f"{kind}/{name}": array for name, array in entries}
        return found

    @moments.setter
    def moments(self, kept: Weights) -> None:
        for kind in MOMENTS:
            entries = {
                name.removeprefix(f"{kind}/"): array
                for name, array in kept.items()
                if name.startswith(f"{kind}/")
            }
            if entries:
                is_list = kind == "momentum_vector"
                setattr(
                    self.flower, kind, [entries[str(i)] for i in range(len(entries))] if is_list else entries
                )

    def configure_train(
        self, round_no: int, model: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Let Flower see the model tensor by tensor, and send it as it travels: as one array."""
        tasks = list(self.flower.configure_train(round_no, model, config, grid))
        packed = pack_weights(as_numpy(model))
        for task in tasks:
            task.content[ARRAYS] = packed
        return tasks

    def aggregate_train(
        self, round_no: int, model: ArrayRecord, updates: Sequence[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Make a new model of the one that was sent and good updates; RunFailedError if it is not finite.

        The updates stay as they are. Tensors are of the type that they had: Adam turns float32 into float64,
        which no site would send back.
        """
        shown = [self._show(update, model) for update in updates]
        arrays, metrics = self.flower.aggregate_train(round_no, shown)
        if arrays and isinstance(self.flower, MultiKrum):
            arrays = _add(model, arrays)
        return arrays and _keep_types(arrays, model, round_no), metrics

    def _show(self, update: Message, model: ArrayRecord) -> Message:
        """Return a message of the same arrays for Flower alone: its median empties the one that it is given.

        They are in the order of the model, as FedAvgM and Krum go by places. Krum is shown the changes in
        place of the weights: their distances are the same, but in those of weights, as Flower computes them,
        small changes are lost in rounding.
        """
        arrays = update.content.array_records[ARRAYS]
        arrays = ArrayRecord({name: arrays[name] for name in model})
        if isinstance(self.flower, MultiKrum):
            arrays = _add(model, arrays, sign=-1)
        shown = copy.copy(update)
        shown.content = RecordDict({ARRAYS: arrays, METRICS: update.content.metric_records[METRICS]})
        return shown


def _add(model: ArrayRecord, arrays: ArrayRecord, *, sign: int = 1) -> ArrayRecord:
    """Add the model to arrays, or take it off."""
    base = as_numpy(model)
    return as_arrays(
        {name: np.asarray(tensor + sign * base[name]) for name, tensor in as_numpy(arrays).items()}
    )


def _keep_types(arrays: ArrayRecord, model: ArrayRecord, round_no: int) -> ArrayRecord:
    kept = {name: _cast(tensor, model[name].dtype) for name, tensor in as_numpy(arrays).items()}
    for name, tensor in kept.items():
        if not np.isfinite(tensor).all():
            raise RunFailedError(
                f"The sites' updates of round {round_no} are finite, but the new model is not (in '{name}'). "
                "Lower the learning rate or momentum of the coordinator in [strategy]."
            )
    return as_arrays(kept)


def _cast(tensor: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return a tensor of another type; for a type of whole numbers it is rounded."""
    is_whole = np.issubdtype(np.dtype(dtype), np.integer)
    return np.asarray(np.rint(tensor) if is_whole else tensor, dtype=dtype)
