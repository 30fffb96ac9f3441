"""The Live page: the newest run, who is online, and the metrics so far."""

import streamlit as st

from fl_monitor.gate import require_user, sign_out
from fl_monitor.live import show_live_board


def show() -> None:
    """Draw the page for a user with a live session."""
    user = require_user()
    with st.container(horizontal=True, vertical_alignment="center", key="fl-topbar"):
        st.markdown("**FedLuna**", width="stretch")
        st.caption(f"{user.name} · {user.site or user.role}", width="content")
        if st.button("Sign out", type="tertiary"):
            sign_out()
    show_live_board()
