"""Federated averaging for nodule detection, written down as it happens."""

from collections.abc import Iterable

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fl_core import messages
from fl_core.config import RunConfig
from fl_core.errors import MessageError, NoAnswerError, RunFailedError, TaskDeclinedError
from fl_server.aggregation import Aggregation
from fl_server.best_model import BestModel
from fl_server.counts_intake import CountsIntake
from fl_server.dispatch import Dispatch, Errand
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.leave_one_out import LeaveOneOut
from fl_server.progress_table import format_duration
from fl_server.recorder import Recorder
from fl_server.resume_point import ResumePoint
from fl_server.roll_call import RollCall
from fl_server.run_folder import RunFolder
from fl_server.update import Update, as_arrays, as_numpy, average_losses
from fl_server.update_intake import UpdateIntake

FIRST_PAUSE_S = 5.0
"""Before a round is held again; twice as long before each further time."""


class NoduleFedAvg(FedAvg):
    """Averages the sites' weights by their numbers of examples (McMahan et al. 2017, arXiv:1602.05629).

    Beyond Flower's FedAvg: sites go by name, an update that cannot be averaged is left out, a round needs
    ``min_sites`` updates and is held again without them after a pause, scores are computed from the sum of
    the sites' counts, and everything is recorded as it comes. If the run names another strategy, that one
    tells the sites what it must and makes the new model of the good updates; all the rest is as here.
    """

    def __init__(
        self,
        config: RunConfig,
        dispatch: Dispatch,
        roll_call: RollCall,
        recorder: Recorder,
        folder: RunFolder,
    ) -> None:
        super().__init__(min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1)
        self.aggregation = Aggregation(config.strategy)
        self._config = config.federation
        self._training = config.training
        self._intake = UpdateIntake(config, roll_call, recorder)
        self._dispatch = dispatch
        self._roll_call = roll_call
        self._recorder = recorder
        self._folder = folder
        self._best = BestModel(config.federation)
        evaluation = ExtraEvaluation(config, dispatch, roll_call, recorder, on_test=False)
        every = config.federation.leave_one_out_every
        self._leave_one_out = LeaveOneOut(every, evaluation, roll_call, recorder)
        self._counts = CountsIntake(config.federation.min_sites, recorder)
        self._arrays = ArrayRecord()
        self._task = ConfigRecord()
        self._round_no = 0

    def take_up(self, initial: ArrayRecord) -> tuple[ArrayRecord, int]:
        """Return the model to go on with and the round that is next: the first, unless the run was cut off.

        NoLongerBetterError if the last round that was kept was to be the last.
        """
        point = self._folder.find_resume_point()
        if point is None:
            return initial, 1
        self._recorder.keep_event("run", f"The run goes on after round {point.round_no}.")
        self.aggregation.moments = point.moments
        self._best.memory = point.memory["best"]
        self._intake.memory = point.memory
        self._dispatch.pace.memory = point.memory["pace"]
        self._best.check(point.round_no)
        return as_arrays(point.weights), point.round_no + 1

    def _keep(self, round_no: int) -> None:
        """Keep what ``take_up`` needs."""
        memory = {
            "best": self._best.memory,
            **self._intake.memory,
            "pace": self._dispatch.pace.memory,
        }
        moments = self.aggregation.moments
        self._folder.keep_resume_point(ResumePoint(round_no, as_numpy(self._arrays), moments, memory))

    @property
    def updates(self) -> dict[str, Update]:
        """The good updates of the newest round."""
        return self._intake.updates

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send the model to every site that is ready, once there are enough."""
        self._roll_call.wait_for(self._config.min_sites, self._config.wait_for_sites_s)
        self._arrays, self._task, self._round_no = arrays, config, server_round
        messages.tell_num_sites(config, len(list(grid.get_node_ids())))
        tasks = self.aggregation.configure_train(server_round, arrays, config, grid)
        self._intake.begin(server_round, as_numpy(arrays))
        self._counts.begin(server_round)
        self._recorder.start_round(server_round, sorted(map(self._site_of, tasks)), _count_bytes(tasks))
        return tasks

    def gather_updates(self, tasks: Iterable[Message]) -> None:
        """Send the tasks, and wait for the updates as long as that is of use."""
        round_no = self._round_no
        size = self._training.epochs_in_round(round_no)
        name, quorum = f"Round {round_no}", self._config.min_sites
        errand = Errand(name, self._intake.take, self._note_failure, quorum=quorum, size=size)
        self._dispatch.expect_late(self._dispatch.ask(list(tasks), errand))

    def aggregate_train(
        self,
        server_round: int,
        replies: Iterable[Message] = (),  # noqa: ARG002 - each was taken as it came
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average the good updates; RunFailedError if they are too few, however often the round is held."""
        for repeats_left in reversed(range(self._config.repeats + 1)):
            self._intake.screen()
            if len(self.updates) >= self._config.min_sites:
                break
            self._lose_round(server_round, repeats_left)
        # In the order of names, so that the sum does not depend on who was first.
        good = [self.updates[site].message for site in sorted(self.updates)]
        arrays, metrics = self.aggregation.aggregate_train(server_round, self._arrays, good)
        self._arrays = arrays or self._arrays
        self._recorder.keep_drifts(self._intake.measure_drifts(as_numpy(self._arrays)))
        return arrays, metrics

    def configure_evaluate(
        self,
        server_round: int,
        arrays: ArrayRecord,
        config: ConfigRecord,
        grid: Grid,  # noqa: ARG002 - whoever has trained is asked, also if it is away for a moment
    ) -> Iterable[Message]:
        """Send the new model to the sites whose updates are in it; the last one is scored with intervals."""
        is_last = self._best.is_last(server_round)
        detects = is_last and self._config.detect_in_last_round
        messages.ask_for_more(config, intervals=is_last, detection=detects)
        config[messages.ROUND] = server_round
        content = RecordDict(
            {messages.ARRAYS: messages.pack_weights(as_numpy(arrays)), messages.CONFIG: config}
        )
        nodes = {site: self._roll_call.member(site).node_id for site in sorted(self.updates)}
        tasks = [
            Message(content, dst_node_id=node_id, message_type=MessageType.EVALUATE)
            for node_id in nodes.values()
        ]
        self._recorder.start_evaluation(list(nodes), _count_bytes(tasks))
        return tasks

    def gather_evaluations(self, tasks: Iterable[Message]) -> None:
        """Send the tasks, and wait for the counts as long as that is of use."""
        round_no = self._round_no
        is_usual = not (self._best.is_last(round_no) and self._config.detect_in_last_round)
        errand = Errand(
            f"The scoring of round {round_no}",
            self._counts.take,
            self._note_failure,
            quorum=self._config.min_sites,
            size=1.0 if is_usual else None,
        )
        self._dispatch.ask(list(tasks), errand)

    def aggregate_evaluate(
        self,
        server_round: int,
        replies: Iterable[Message] = (),  # noqa: ARG002 - each was taken as it came
    ) -> MetricRecord | None:
        """Score the sum of the sites' counts, and keep the model and the history.

        NoLongerBetterError if the run is to end here.
        """
        sheet = self._counts.pool()
        weights = self._arrays.to_torch_state_dict()
        calibration = self._counts.calibrate(sheet)
        is_best = self._counts.is_enough() and self._best.take(server_round, sheet.score)
        kept = self._folder.keep_model(weights, server_round, sheet.score, calibration, is_best=is_best)
        self._recorder.keep_checkpoints(kept)
        self._leave_one_out.measure_if_due(server_round, self.updates, self._counts.counts)
        self._recorder.end_round(average_losses(self.updates), sheet)
        if history := self._recorder.make_history():
            self._folder.keep_history(history)
        self._keep(server_round)
        self._best.check(server_round)
        return MetricRecord(
            {name: value for name, value in vars(sheet.score).items() if isinstance(value, float)}
        )

    def _lose_round(self, round_no: int, repeats_left: int) -> None:
        """Hold a round with too few good updates again, with the same model; RunFailedError at last."""
        lost = (
            f"Round {round_no} has too few good updates: {len(self.updates)}, expected at least "
            f"{self._config.min_sites} (min_sites in [federation])"
        )
        if repeats_left == 0:
            raise RunFailedError(f"{lost}.")
        pause_s = FIRST_PAUSE_S * 2 ** (self._config.repeats - repeats_left)
        text = f"{lost}; it is held again in {format_duration(pause_s)}."
        self._recorder.keep_event("round_repeated", text)
        self._dispatch.rest(pause_s)
        self.gather_updates(self.configure_train(round_no, self._arrays, self._task, self._dispatch.grid))

    def _note_failure(self, site: str, error: MessageError) -> None:
        keep = {
            TaskDeclinedError: self._recorder.keep_declined,
            NoAnswerError: self._recorder.keep_no_answer,
        }.get(type(error), self._recorder.keep_failure)
        keep(site, str(error))

    def _site_of(self, task: Message) -> str:
        return self._roll_call.site_of(task.metadata.dst_node_id)


def _count_bytes(tasks: list[Message]) -> int:
    """Return the bytes that each site is sent; all get the same."""
    return messages.count_bytes(tasks[0].content) if tasks else 0
