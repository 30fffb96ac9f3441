"""The login page: one form, and one sentence if it was wrong."""

import time

import streamlit as st

from fl_monitor.gate import monitor, plant_cookie
from fl_store.rows import UserRow, utc_now

WRONG = "Wrong user name or password."
NO_USER = "No user is known here yet. Add one on the coordinator: `fl-server users add NAME --role server`"


def show() -> None:
    """Draw the form; a right password becomes a cookie and the page is loaded again."""
    with st.container(horizontal_alignment="center"), st.form("login", width=400):
        st.subheader("FedLuna", anchor=False)
        st.caption("Sign in to watch the federation.")
        name = st.text_input("User", autocomplete="username", max_chars=64)
        password = st.text_input("Password", type="password", autocomplete="current-password", max_chars=128)
        is_sent = st.form_submit_button("Sign in", type="primary", width="stretch")
        if not monitor().store.get(UserRow, newest=1):
            st.info(NO_USER)
        elif is_sent:
            _sign_in(name, password)


def _sign_in(name: str, password: str) -> None:
    service = monitor()
    address = st.context.ip_address
    with st.spinner("Signing in"):
        time.sleep(service.login.delay_s(name, address, utc_now()))
        token = service.login.check(name, password, address, utc_now())
    if token is None:
        st.error(WRONG)
    else:
        plant_cookie(service.tickets.issue(token, utc_now()))
