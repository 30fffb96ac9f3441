"""The component behind every page: it polls our feed and updates words and charts in place.

Streamlit reruns nothing while it lives, and ``Plotly.react`` keeps zoom. Its scripts and style are files in
``static/``.
"""

from collections.abc import Mapping

import streamlit as st

from fl_monitor.assets import PLOTLY_PATH, read_static
from fl_monitor.script_words import words_of_scripts

SCRIPTS = ("charts.js", "blocks.js", "slices.js", "scan_viewer.js", "scan_sender.js", "scans.js", "board.js")
STYLES = ("board.css", "scans.css")


def show_board(page: str, params: Mapping[str, str] | None = None) -> None:
    """Draw a page's board; it keeps itself up to date."""
    component = st.components.v2.component(
        "fedluna_board",
        css="".join(map(read_static, STYLES)),
        js="".join(map(read_static, SCRIPTS)),
        isolate_styles=False,
    )
    named = {"name": page, "params": dict(params or {})}
    component(key=f"board-{page}", data={"plotly": PLOTLY_PATH, "words": words_of_scripts(), "page": named})
