"""The Runs page."""

from fl_monitor.board import show_board
from fl_store.rows import UserRow


def show(_user: UserRow) -> None:
    """Draw the page."""
    show_board("runs")
