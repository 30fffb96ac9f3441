"""Which pages there are, and who gets to which."""

import streamlit as st

from fl_monitor.assets import read_static
from fl_monitor.gate import current_user
from fl_monitor.pages import live, login

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."


def show_page() -> None:
    """Draw the page that this browser asked for, or the login."""
    st.set_page_config(page_title="FedLuna", page_icon=read_static("icon.svg"), layout="wide")
    st.html(f"<style>{read_static('page.css')}</style>")
    page = live.show if current_user() else login.show
    st.navigation([st.Page(page, title="FedLuna", default=True)], position="hidden").run()
    st.caption(NOT_FOR_DIAGNOSIS, text_alignment="center")
