"""Flower's Grid for one run: admitted sites only, and waits that are short and let others do their part.

Stock Flower looks for replies every three seconds and hands them over when all are there.
"""

import time
from collections.abc import Callable, Iterable

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

POLL_S = 0.1
TICK_S = 2.0

OnTick = Callable[[], None]


class PromptGrid(Grid):
    """Wraps the Grid that Flower gives the ServerApp.

    ``node_ids`` are the nodes that may take part; ``on_tick`` is called every two seconds in a wait.
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid
        self._next_tick_s = 0.0
        self.on_tick: OnTick = lambda: None
        self.node_ids: frozenset[int] = frozenset()

    def get_online_node_ids(self) -> set[int]:
        """Return every node that Flower believes to be connected, admitted or not."""
        return set(self._grid.get_node_ids())

    def find_registered_name(self, node_id: int) -> str | None:
        """Return the site whose registered key a node has shown; None if nodes show none."""
        names = (node.name for node in self._grid.get_nodes() if node.node_id == node_id)
        return next(names, None) or None

    def get_node_ids(self) -> Iterable[int]:
        """Return the admitted nodes that are connected; this is what strategies draw from."""
        return sorted(self.node_ids & self.get_online_node_ids())

    def rest(self) -> None:
        """Pass a moment of waiting, with a tick when one is due."""
        self.tick_when_due()
        time.sleep(POLL_S)

    def tick_when_due(self) -> None:
        """Call ``on_tick`` if it is two seconds since; who computes for long calls this meanwhile."""
        if time.monotonic() >= self._next_tick_s:
            self._next_tick_s = time.monotonic() + TICK_S
            self.on_tick()

    def set_run(self, run: Run) -> None:
        """Set the run of the wrapped grid."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """The run of the wrapped grid."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message; Flower keeps this for old strategies only."""
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Leave it to Flower, which waits for all; a run sends with ``Dispatch``."""
        return self._grid.send_and_receive(messages, timeout=timeout)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages without waiting for replies."""
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Fetch the replies that are there."""
        return self._grid.pull_messages(message_ids)
