"""The Activity page: a choice of the kind of events, and its board."""

import streamlit as st

from fl_monitor.board import show_board
from fl_monitor.event_words import kind_text, kinds
from fl_monitor.language import gettext as _
from fl_store.rows import UserRow

OTHERS = ""
"""Whatever the other lists of the page do not have."""


def show(_user: UserRow) -> None:
    """Draw the choice, which stands in the address so that a link keeps it, and the board."""
    known = [OTHERS, *kinds()]
    asked = st.query_params.get("kind", OTHERS)
    chosen = asked if asked in known else OTHERS
    picked = st.selectbox(
        _("Events listed"),
        known,
        index=known.index(chosen),
        format_func=lambda kind: kind_text(kind) if kind else _("Everything else"),
        width=420,
    )
    if picked != asked:
        st.query_params.from_dict({"kind": picked} if picked else {})
    show_board("activity", {"kind": picked} if picked else {})
