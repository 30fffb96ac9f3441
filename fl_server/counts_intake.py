"""Takes in what the sites count with the new model of a round: how good it is at each, and over all."""

from flwr.app import Message

from fl_core import messages, replies
from fl_core.errors import MessageError
from fl_core.replies import EvaluateReply
from fl_server.recorder import Recorder
from fl_server.score_sheet import ScoreSheet
from luna16.detection.calibration import Calibration, fit_calibration


class CountsIntake:
    """Holds the counts of the round in hand."""

    def __init__(self, min_sites: int, recorder: Recorder) -> None:
        self.counts: dict[str, EvaluateReply] = {}
        self._min_sites = min_sites
        self._recorder = recorder
        self._round_no = 0

    def begin(self, round_no: int) -> None:
        """Begin a round."""
        self._round_no = round_no
        self.counts = {}

    def take(self, site: str, message: Message) -> bool:
        """Write down a site's counts the moment they come; what is not sound is not taken."""
        try:
            reply = replies.unpack_evaluate_reply(message.content)
        except MessageError as error:
            self._recorder.keep_failure(site, str(error))
            return False
        self.counts[site] = reply
        self._recorder.keep_evaluated(site, reply, messages.count_bytes(message.content))
        return True

    def pool(self) -> ScoreSheet:
        """Score the sum of the counts."""
        return ScoreSheet.pool(list(self.counts.values()))

    def is_enough(self) -> bool:
        """Say whether enough sites have scored a model to compare it with others: few scans mean little."""
        num_sites = len(self.counts)
        if num_sites >= self._min_sites:
            return True
        text = (
            f"The model of round {self._round_no} was scored by too few sites: {num_sites}, expected at "
            f"least {self._min_sites} (min_sites in [federation]). It is not compared with the best."
        )
        self._recorder.keep_event("scored_by_few", text)
        return False

    def calibrate(self, sheet: ScoreSheet) -> Calibration | None:
        """Fit probabilities to the marks of whole scans, if the sites told them."""
        if sheet.detection is None:
            return None
        try:
            return fit_calibration(sheet.detection.marks)
        except ValueError as error:
            self._recorder.keep_event("not_calibrated", str(error))
            return None
