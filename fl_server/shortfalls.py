"""Says once where a site does less than it was asked: smaller batches, and scans that it had to set aside."""

from fl_core.replies import TrainReply
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall


class Shortfalls:
    """Looks at each update; what was told is told again only when it gets worse."""

    def __init__(self, batch_size: int, roll_call: RollCall, recorder: Recorder) -> None:
        self._batch_size = batch_size
        self._roll_call = roll_call
        self._recorder = recorder
        self._smallest: dict[str, int] = {}
        self._most_set_aside: dict[str, int] = {}

    def look(self, site: str, reply: TrainReply) -> None:
        """Write an event for what is new of a site."""
        if 0 < reply.batch_size < self._smallest.get(site, self._batch_size):
            self._smallest[site] = reply.batch_size
            self._recorder.keep_event(
                "batch_halved",
                f"Site '{site}' trains with batches of {reply.batch_size}, not {self._batch_size}: its GPU "
                "ran out of memory.",
                site,
            )
        known = self._most_set_aside.get(site, self._roll_call.member(site).num_set_aside)
        if reply.num_set_aside > known:
            self._most_set_aside[site] = reply.num_set_aside
            self._recorder.keep_event(
                "scans_set_aside",
                f"Site '{site}' cannot use {reply.num_set_aside - known} more of its scans: it trains and is "
                "scored without them.",
                site,
            )
