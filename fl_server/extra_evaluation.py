"""Lets the sites score a model outside the rounds: its counts are no part of a round's result."""

from collections.abc import Collection

from flwr.app import Message, MessageType, RecordDict

from fl_core import messages, replies
from fl_core.config import RunConfig
from fl_core.errors import MessageError
from fl_core.messages import Weights
from fl_core.replies import EvaluateReply
from fl_server.dispatch import Dispatch, Errand
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall


class ExtraEvaluation:
    """Sends a model to sites and gathers their counts; a site without an answer is named and left out."""

    def __init__(
        self, config: RunConfig, dispatch: Dispatch, roll_call: RollCall, recorder: Recorder, *, on_test: bool
    ) -> None:
        self._config = config
        self._dispatch = dispatch
        self._roll_call = roll_call
        self._recorder = recorder
        self._on_test = on_test

    def score(
        self, weights: Weights, round_no: int, name: str, *, sites: Collection[str] | None = None
    ) -> dict[str, EvaluateReply]:
        """Return what the sites that are there, or those of ``sites``, count of the model called ``name``."""
        found: dict[str, EvaluateReply] = {}

        def take(site: str, message: Message) -> bool:
            try:
                found[site] = replies.unpack_evaluate_reply(message.content)
            except MessageError as error:
                fail(site, error)
                return False
            return True

        def fail(site: str, error: MessageError) -> None:
            self._recorder.keep_event("site_failed", f"Site '{site}' did not score {name}: {error}", site)

        task = self._pack_task(weights, round_no)
        tasks = [
            Message(task, dst_node_id=node_id, message_type=MessageType.EVALUATE)
            for site, node_id in self._roll_call.ready_nodes().items()
            if sites is None or site in sites
        ]
        self._dispatch.ask(tasks, Errand(f"The scoring of {name}", take, fail))
        return dict(sorted(found.items()))

    def _pack_task(self, weights: Weights, round_no: int) -> RecordDict:
        config = messages.pack_settings(self._config.task, self._recorder.run_id)
        config[messages.ROUND] = round_no
        messages.ask_for_more(config, intervals=self._on_test, detection=False)
        if self._on_test:
            messages.ask_for_test(config)
        return RecordDict({messages.ARRAYS: messages.pack_weights(weights), messages.CONFIG: config})
