"""Lets the sites score a model outside the rounds: its counts are no part of a round's result."""

from collections.abc import Collection

from flwr.app import Message, MessageType, RecordDict

from fl_core import messages
from fl_core.config import RunConfig
from fl_core.errors import MessageError
from fl_core.messages import EvaluateReply, Weights
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall


class ExtraEvaluation:
    """Sends a model to sites and gathers their counts; a site without an answer is named and left out."""

    def __init__(
        self, config: RunConfig, grid: PromptGrid, roll_call: RollCall, recorder: Recorder, *, on_test: bool
    ) -> None:
        self._config = config
        self._grid = grid
        self._roll_call = roll_call
        self._recorder = recorder
        self._on_test = on_test

    def score(
        self, weights: Weights, round_no: int, name: str, *, sites: Collection[str] | None = None
    ) -> dict[str, EvaluateReply]:
        """Return what the sites that are there, or those of ``sites``, count of the model called ``name``."""
        there = {node_id: self._roll_call.site_of(node_id) for node_id in self._grid.get_node_ids()}
        asked = {node_id: site for node_id, site in there.items() if sites is None or site in sites}
        replies: dict[str, EvaluateReply] = {}
        missing = dict.fromkeys(asked.values(), "it did not answer.")

        def take(node_id: int, message: Message) -> None:
            site = asked[node_id]
            try:
                replies[site] = messages.unpack_evaluate_reply(messages.content_of(message))
                del missing[site]
            except MessageError as error:
                missing[site] = str(error)

        self._grid.on_reply = take
        task = self._pack_task(weights, round_no)
        tasks = [Message(task, dst_node_id=node_id, message_type=MessageType.EVALUATE) for node_id in asked]
        self._grid.send_and_receive(tasks, timeout=self._config.federation.round_timeout_s)
        for site, reason in sorted(missing.items()):
            self._recorder.keep_event("site_failed", f"Site '{site}' did not score {name}: {reason}", site)
        return dict(sorted(replies.items()))

    def _pack_task(self, weights: Weights, round_no: int) -> RecordDict:
        config = messages.pack_settings(self._config.task, self._recorder.run_id)
        config[messages.ROUND] = round_no
        messages.ask_for_more(config, intervals=self._on_test, detection=False)
        if self._on_test:
            messages.ask_for_test(config)
        return RecordDict({messages.ARRAYS: messages.pack_weights(weights), messages.CONFIG: config})
