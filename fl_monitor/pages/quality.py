"""The Quality page: a choice of the run, and its board."""

from fl_monitor.board import show_board
from fl_monitor.pages.run_choice import choose_run
from fl_store.rows import UserRow


def show(_user: UserRow) -> None:
    """Draw the page."""
    show_board("quality", choose_run())
