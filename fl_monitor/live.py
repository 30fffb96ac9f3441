"""The component behind the Live page: it polls our feed and updates words and charts in place.

Streamlit reruns nothing while it lives, and ``Plotly.react`` keeps zoom. Its script and style are files
in ``static/``.
"""

import streamlit as st

from fl_monitor.assets import PLOTLY_PATH, read_static


def show_live_board() -> None:
    """Draw the live board; it fills the page and keeps itself up to date."""
    component = st.components.v2.component(
        "fedluna_live_board",
        css=read_static("board.css"),
        js=read_static("charts.js") + read_static("live.js"),
        isolate_styles=False,
    )
    component(key="live-board", data={"plotly": PLOTLY_PATH})
