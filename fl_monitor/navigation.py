"""Which pages there are, and who gets to which."""

import logging

import streamlit as st

from fl_core.errors import StoreError
from fl_monitor.assets import read_static
from fl_monitor.gate import current_user
from fl_monitor.pages import live, login

logger = logging.getLogger(__name__)

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."
UNREADABLE = (
    "The monitor cannot read its store at the moment. Load the page again; the coordinator's log says more."
)


def show_page() -> None:
    """Draw the page that this browser asked for, or the login."""
    st.set_page_config(page_title="FedLuna", page_icon=read_static("icon.svg"), layout="wide")
    st.html(f"<style>{read_static('page.css')}</style>")
    try:
        page = live.show if current_user() else login.show
        st.navigation([st.Page(page, title="FedLuna", default=True)], position="hidden").run()
    except StoreError as error:
        logger.warning("%s", error)
        st.error(UNREADABLE)
    st.caption(NOT_FOR_DIAGNOSIS, text_alignment="center")
