"""A site of the run, and what it has told of itself."""

from dataclasses import dataclass

from fl_core.replies import JoinReply, PrepareReply
from luna16.data_card import DataCard


@dataclass
class Member:
    """A connected site; it takes part in rounds once it is ready, which it is when it has told its card."""

    node_id: int
    who: JoinReply
    card: DataCard | None = None
    num_train_patches: int = 0
    num_set_aside: int = 0
    shares_model: bool = False
    shares_log: bool = False

    @property
    def is_ready(self) -> bool:
        """Say whether it has prepared its data."""
        return self.card is not None

    def make_ready(self, data: PrepareReply) -> None:
        """Take in what a site tells that has prepared its data."""
        self.card = data.card
        self.num_train_patches = data.num_train_patches
        self.num_set_aside = data.num_set_aside
        self.shares_model, self.shares_log = data.shares_model, data.shares_log
