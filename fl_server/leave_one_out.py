"""What a round's average is worth without each site's update: how much each contributes."""

from collections.abc import Collection, Mapping

from flwr.serverapp.strategy import FedAvg

from fl_core.messages import Weights
from fl_core.replies import EvaluateReply
from fl_server.extra_evaluation import ExtraEvaluation
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.score_sheet import ScoreSheet
from fl_server.update import Update, as_numpy

Updates = Mapping[str, Update]
Replies = Mapping[str, EvaluateReply]


class LeaveOneOut:
    """Measures every so many rounds, if all sites of the round agree: it shows them each other's updates.

    Whoever has the average with and without an update can work out that update.
    """

    def __init__(
        self, every: int, evaluation: ExtraEvaluation, roll_call: RollCall, recorder: Recorder
    ) -> None:
        self._every = every
        self._evaluation = evaluation
        self._roll_call = roll_call
        self._recorder = recorder
        self._unwilling: list[str] = []

    def measure_if_due(self, round_no: int, updates: Updates, whole: Replies) -> None:
        """Write down how much each update changes the pooled loss; ``whole`` is told of the average."""
        if self._every == 0 or round_no % self._every or len(updates) < 2:
            return
        unwilling = [site for site in sorted(updates) if not self._roll_call.member(site).shares_model]
        if unwilling:
            self._tell(unwilling)
            return
        changes = {site: self._measure(round_no, site, updates, whole) for site in sorted(updates)}
        self._recorder.keep_loss_changes(changes)

    def _measure(self, round_no: int, left_out: str, updates: Updates, whole: Replies) -> float | None:
        """Return how much higher the loss is without an update, of the sites that scored both models."""
        others = {site: update for site, update in updates.items() if site != left_out}
        name = f"the average of round {round_no} without site '{left_out}'"
        replies = self._evaluation.score(average(others), round_no, name, sites=whole.keys())
        before, after = _pool_loss(whole, replies.keys()), _pool_loss(replies, replies.keys())
        return after - before if before is not None and after is not None else None

    def _tell(self, unwilling: list[str]) -> None:
        """Say who does not agree, once as long as it is the same sites."""
        if unwilling != self._unwilling:
            self._unwilling = unwilling
            text = (
                f"What each update contributes is not measured: {', '.join(unwilling)} shares no model "
                "(share_model in [consent] of the site)."
            )
            self._recorder.keep_event("not_shared", text)


def average(updates: Updates) -> Weights:
    """Average updates by their examples, whatever strategy the run has."""
    arrays, _ = FedAvg().aggregate_train(0, [updates[site].message for site in sorted(updates)])
    if arrays is None:
        raise ValueError("There is no update to average.")
    return as_numpy(arrays)


def _pool_loss(replies: Replies, sites: Collection[str]) -> float | None:
    return ScoreSheet.pool([replies[site] for site in sites]).score.loss
