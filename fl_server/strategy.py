"""Federated averaging for nodule detection, written down as it happens."""

from collections.abc import Iterable

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fl_core import messages
from fl_core.config import FederationConfig
from fl_core.errors import MessageError, RunFailedError
from fl_core.messages import EvaluateReply, TrainReply
from fl_server.drift import Drift, change_between, measure_drift
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_folder import RunFolder
from fl_server.score_sheet import ScoreSheet


class NoduleFedAvg(FedAvg):
    """Averages the sites' weights by their numbers of examples (McMahan et al. 2017, arXiv:1602.05629).

    Beyond Flower's FedAvg: sites go by name, an update that cannot be averaged is left out, a round needs
    ``min_sites`` updates, scores are computed from the sum of the sites' counts, and everything is
    recorded as it comes.
    """

    def __init__(
        self,
        config: FederationConfig,
        grid: PromptGrid,
        roll_call: RollCall,
        recorder: Recorder,
        folder: RunFolder,
    ) -> None:
        super().__init__(min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1)
        self._config = config
        self._grid = grid
        self._roll_call = roll_call
        self._recorder = recorder
        self._folder = folder
        self._silent: set[str] = set()
        self._updates: dict[str, tuple[Message, TrainReply]] = {}
        self._evaluations: dict[str, EvaluateReply] = {}
        self._arrays = ArrayRecord()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send the model to every site that is ready, once there are enough."""
        self._roll_call.wait_for(self._config.min_sites, self._config.wait_for_sites_s)
        self._arrays = arrays
        tasks = list(super().configure_train(server_round, _pack(arrays), config, grid))
        self._silent = {self._site_of(task) for task in tasks}
        self._updates, self._evaluations = {}, {}
        self._recorder.start_round(server_round, sorted(self._silent), _count_bytes(tasks))
        self._grid.on_reply = self._take_update
        return tasks

    def aggregate_train(
        self,
        server_round: int,
        replies: Iterable[Message],  # noqa: ARG002 - each was taken as it came
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average the good updates; RunFailedError if they are fewer than ``min_sites``."""
        self._note_silent_sites()
        self._leave_out_revoked_sites()
        if len(self._updates) < self._config.min_sites:
            raise RunFailedError(
                f"Round {server_round} has good updates of {len(self._updates)} sites, expected at least "
                f"{self._config.min_sites} (min_sites in [federation])."
            )
        # In the order of names, so that the sum does not depend on who was first.
        good = [self._updates[site][0] for site in sorted(self._updates)]
        arrays, metrics = super().aggregate_train(server_round, good)
        self._recorder.keep_drifts(self._measure_drifts(arrays or self._arrays))
        self._arrays = arrays or self._arrays
        return arrays, metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send the new model to the sites whose updates are in it; the last one is scored with intervals."""
        tasks: list[Message] = []
        if server_round == self._config.rounds:
            messages.ask_for_intervals(config)
        if list(grid.get_node_ids()):  # without any, FedAvg would wait for good
            tasks = list(super().configure_evaluate(server_round, _pack(arrays), config, grid))
        tasks = [task for task in tasks if self._site_of(task) in self._updates]
        self._silent = set(self._updates)  # also a site that has gone meanwhile
        self._recorder.start_evaluation(sorted(map(self._site_of, tasks)), _count_bytes(tasks))
        self._grid.on_reply = self._take_evaluation
        return tasks

    def aggregate_evaluate(
        self,
        server_round: int,
        replies: Iterable[Message],  # noqa: ARG002 - each was taken as it came
    ) -> MetricRecord | None:
        """Score the sum of the sites' counts, and keep the model and the history."""
        self._note_silent_sites()
        sheet = ScoreSheet.pool(list(self._evaluations.values()))
        weights = self._arrays.to_torch_state_dict()
        self._recorder.keep_checkpoints(self._folder.keep_model(weights, server_round, sheet.score))
        self._recorder.end_round(self._mean_train_loss(), sheet)
        if history := self._recorder.make_history():
            self._folder.keep_history(history)
        return MetricRecord(
            {name: value for name, value in vars(sheet.score).items() if isinstance(value, float)}
        )

    def _take_update(self, node_id: int, message: Message) -> None:
        """Write down a site's update the moment it comes; one that is not sound is not taken."""
        site = self._answering_site(node_id)
        try:
            reply = messages.unpack_train_reply(messages.content_of(message))
            _check_update(reply, self._arrays)
        except MessageError as error:
            self._recorder.keep_failure(site, str(error))
            return
        self._recorder.keep_trained(site, reply, messages.count_bytes(message.content))
        message.content = _pack_for_average(reply)
        self._updates[site] = (message, reply)

    def _take_evaluation(self, node_id: int, message: Message) -> None:
        """Write down a site's counts the moment they come."""
        site = self._answering_site(node_id)
        try:
            reply = messages.unpack_evaluate_reply(messages.content_of(message))
        except MessageError as error:
            self._recorder.keep_failure(site, str(error))
            return
        self._evaluations[site] = reply
        self._recorder.keep_evaluated(site, reply, messages.count_bytes(message.content))

    def _answering_site(self, node_id: int) -> str:
        site = self._roll_call.site_of(node_id)
        self._silent.discard(site)
        return site

    def _note_silent_sites(self) -> None:
        for site in sorted(self._silent):
            self._recorder.keep_no_answer(site)

    def _leave_out_revoked_sites(self) -> None:
        """Drop what has come from a site that was revoked since."""
        for site in [site for site in sorted(self._updates) if not self._roll_call.is_allowed(site)]:
            del self._updates[site]
            self._recorder.keep_failure(site, "It was revoked in this round; its update was left out.")

    def _measure_drifts(self, mean: ArrayRecord) -> dict[str, Drift]:
        """Return what each update did, beside the change from the model that was sent to the mean."""
        sent = {name: array.numpy() for name, array in self._arrays.items()}
        mean_change = change_between(sent, {name: array.numpy() for name, array in mean.items()})
        return {
            site: measure_drift(change_between(sent, reply.weights), mean_change)
            for site, (_message, reply) in self._updates.items()
        }

    def _mean_train_loss(self) -> float | None:
        replies = [reply for _message, reply in self._updates.values()]
        num_examples = sum(reply.num_examples for reply in replies)
        return sum(reply.loss * reply.num_examples for reply in replies) / num_examples

    def _site_of(self, task: Message) -> str:
        return self._roll_call.site_of(task.metadata.dst_node_id)


def _count_bytes(tasks: list[Message]) -> int:
    """Return the bytes that each site is sent; all get the same."""
    return messages.count_bytes(tasks[0].content) if tasks else 0


def _pack(arrays: ArrayRecord) -> ArrayRecord:
    """Put the weights as FedAvg has them, one array a tensor, into the form in which they travel."""
    return messages.pack_weights({name: array.numpy() for name, array in arrays.items()})


def _pack_for_average(reply: TrainReply) -> RecordDict:
    """Put a site's update into the form that FedAvg averages: the same records and keys from every site."""
    weights = ArrayRecord({name: Array(tensor) for name, tensor in reply.weights.items()})
    weight = MetricRecord({messages.NUM_EXAMPLES: reply.num_examples})
    return RecordDict({messages.ARRAYS: weights, messages.METRICS: weight})


def _check_update(reply: TrainReply, sent: ArrayRecord) -> None:
    """Raise MessageError if an update cannot be averaged with others of the model that was ``sent``."""
    if reply.num_examples == 0:
        raise MessageError("Its update is of no examples; it was left out.")
    forms = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in reply.weights.items()}
    if forms != {name: (tuple(array.shape), array.dtype) for name, array in sent.items()}:
        raise MessageError("Its update is not of the model that it was sent; it was left out.")
    for name, tensor in reply.weights.items():
        if not np.isfinite(tensor).all():
            raise MessageError(f"Its update holds NaN or infinite values in '{name}'; it was left out.")
