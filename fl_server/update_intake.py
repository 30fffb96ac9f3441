"""Takes in the updates of a round: each is looked at when it comes, and all beside each other at the end."""

from collections.abc import Mapping
from typing import Any

from flwr.app import Message

from fl_core import messages, replies
from fl_core.config import RunConfig
from fl_core.errors import MessageError
from fl_core.messages import TaskId, Weights
from fl_server.drift import Drift, measure_drift, measure_norm
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.screening import Expected, NormScreen, Strikes, check_update
from fl_server.shortfalls import Shortfalls
from fl_server.update import Update


class UpdateIntake:
    """Holds the good updates of the round in hand, and writes down and tells the sites of all others."""

    def __init__(self, config: RunConfig, roll_call: RollCall, recorder: Recorder) -> None:
        self.updates: dict[str, Update] = {}
        self._norms = NormScreen(config.screening)
        self._strikes = Strikes(config.screening.strikes)
        self._shortfalls = Shortfalls(config.training.batch_size, roll_call, recorder)
        self._roll_call = roll_call
        self._recorder = recorder
        self._sent: Weights = {}
        self._task_id = TaskId(recorder.run_id, round_no=0)

    @property
    def memory(self) -> dict[str, Any]:
        """All that is remembered of the rounds so far, as JSON can hold it."""
        return {"norms": self._norms.memory, "strikes": self._strikes.memory}

    @memory.setter
    def memory(self, kept: Mapping[str, Any]) -> None:
        self._norms.memory = kept["norms"]
        self._strikes.memory = kept["strikes"]

    def begin(self, round_no: int, sent: Weights) -> None:
        """Begin a round in which the sites were sent this model."""
        self.updates = {}
        self._sent = sent
        self._task_id = TaskId(self._recorder.run_id, round_no)

    def take(self, site: str, message: Message) -> bool:
        """Write down a site's update the moment it comes; one that is not sound is not taken."""
        try:
            reply = replies.unpack_train_reply(message.content)
            norm = check_update(reply, self._expect_of(site))
        except MessageError as error:
            self._leave_out(site, str(error))
            return False
        self._recorder.keep_trained(site, reply, messages.count_bytes(message.content))
        self._shortfalls.look(site, reply)
        self.updates[site] = Update.take(message, reply, norm)
        return True

    def screen(self) -> None:
        """Take out what came from a site that was revoked since, and what is far longer than the others."""
        for site in [site for site in sorted(self.updates) if not self._roll_call.is_allowed(site)]:
            del self.updates[site]
            self._recorder.keep_failure(site, "It was revoked in this round; its update was left out.")
        norms = {site: update.norm for site, update in self.updates.items()}
        for site, reason in self._norms.find_too_long(norms).items():
            del self.updates[site]
            self._leave_out(site, reason)

    def measure_drifts(self, mean: Weights) -> dict[str, Drift]:
        """Return what each update did, beside the change from the model that was sent to the mean."""
        mean_norm = measure_norm(self._sent, mean)
        return {
            site: measure_drift(self._sent, update.weights, mean, norm=update.norm, mean_norm=mean_norm)
            for site, update in self.updates.items()
        }

    def _expect_of(self, site: str) -> Expected:
        return Expected(self._task_id, self._sent, self._roll_call.member(site).num_train_patches)

    def _leave_out(self, site: str, reason: str) -> None:
        """Write down that an update was no good, and tell the site; after too many it sits out."""
        self._recorder.keep_failure(site, reason)
        self._roll_call.tell_left_out(site, reason)
        if self._strikes.add(site):
            self._recorder.shut_out(site, f"Too many of its updates were left out. The last: {reason}")
